"""What is the same for all engines whose client takes docker's commands: most of it.

A kind of engine is a class of its own, which says what it does otherwise.
"""

from __future__ import annotations

import json
import os
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, ClassVar, Final

from pinnace_core import console
from pinnace_core.container import Container, Finished, Network
from pinnace_core.engine import kept
from pinnace_core.engine.program import IMAGE_GONE, SILENT, Program, is_gone, last_line
from pinnace_core.errors import (
    EngineUnavailableError,
    ImageMissingError,
    ImageRegistryError,
    PinnaceError,
    RegistryDeniedError,
)
from pinnace_core.image import Image, missing

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from typing import IO

    from python_on_whales import DockerClient

    from pinnace_core.container import ContainerSpec
    from pinnace_core.engine.facts import EngineFacts

_LOCAL: Final = ("unix://", "npipe:////./")
# Of a pull. A repository that must not be seen is told as one that is not there, and the other way
# round.
_UNPUBLISHED: Final = ("manifest unknown", "not found", "name unknown", "no matching manifest")
_DENIED: Final = ("denied", "unauthorized", "authentication required", "no basic auth")


class Client(Program):
    """An engine behind its client; the methods are those of `Engine`."""

    __slots__ = ()
    buildkit: ClassVar[bool]
    can_be_entered: ClassVar[bool]

    @property
    def is_local(self) -> bool:
        return self.endpoint.startswith(_LOCAL) or self.endpoint == self.name

    @property
    def whales(self) -> DockerClient:
        """Python-on-whales' client of this engine."""
        from python_on_whales import DockerClient

        return DockerClient(client_call=[self.name])

    # What it is.

    def facts(self, *, anew: bool = False, keep: bool = True) -> EngineFacts:
        # Read before it is asked: replaced in between, it is asked again next time.
        identities = kept.identity(*self._marks())
        # Of a pipe nothing tells whether it is still the same engine's.
        lasting = any(identities[1:])
        known = kept.load(self.endpoint, identities) if lasting and not anew else None
        if known is not None:
            return known
        with self._understood():
            found = self._ask_facts()
        if lasting and keep:
            kept.save(self.endpoint, identities, found)
        return found

    def _marks(self) -> tuple[str, ...]:
        """Return paths at which something changes when another engine takes this one's place."""
        raise NotImplementedError

    def _ask_facts(self) -> EngineFacts:
        raise NotImplementedError

    def version(self) -> str:
        with self._understood():
            return self._ask_facts().version

    def lacks_to_build(self) -> str:
        return ""

    # Images.

    def images(self, label: str) -> list[Image]:
        listing = ("image", "ls", "--no-trunc", "--quiet", f"--filter=label={label}")
        with self._understood():
            return [self._image(item) for item in self.described("image", listing)]

    def image(self, reference: str, *, made_here: bool = False) -> Image | None:
        name = self.local_name(reference) if made_here else reference
        with self._understood():
            described = json.loads(self.ask("image", "inspect", name) or "[]")
            return None if described == [] else self._image(described[0])

    def _image(self, item: Mapping[str, Any]) -> Image:
        return Image.from_engine(item)

    def local_name(self, name: str) -> str:
        return name

    def image_ids(self) -> set[str]:
        return set((self.ask("image", "ls", "--all", "--quiet", "--no-trunc") or "").split())

    def pull(self, reference: str, platform: str) -> None:
        # -3: nowhere; a program that launches has no terminal for it.
        output = -3 if console.is_collected() else 2
        done = self._start_client("pull", f"--platform={platform}", reference, output=output)
        if done.returncode != 0:
            raise self._pull_failure(reference, done.stderr)

    def _pull_failure(self, reference: str, errors: str) -> PinnaceError:
        said = last_line(errors, "no reason given").removeprefix("Error response from daemon: ")
        text, lowered = f"'{reference}' cannot be pulled: {said}", said.lower()
        if any(words in lowered for words in SILENT):
            return EngineUnavailableError(text, hint="start the engine, or check DOCKER_HOST")
        if any(words in lowered for words in _DENIED):
            hint = f"check the name, and log in: {self.name} login"
            return RegistryDeniedError(text, hint=hint)
        if any(words in lowered for words in _UNPUBLISHED):
            return ImageMissingError(text, hint="see which versions are published there")
        return ImageRegistryError(text, hint="check the network, or try again later")

    def tag(self, image: str, name: str) -> None:
        self.tell("tag", image, name)

    def untag(self, name: str) -> None:
        self.tell("image", "rm", name)

    # Containers.

    def run(self, spec: ContainerSpec, *, seconds: float | None) -> Finished:
        import subprocess

        try:
            done = self._start_client(*self.argv(spec)[1:], seconds=seconds)
        except subprocess.TimeoutExpired:
            raise TimeoutError from None
        if done.returncode != 0 and is_gone(done.stderr, IMAGE_GONE):
            raise missing(spec.image)
        return Finished(done.returncode, done.stdout, done.stderr)

    def create(self, spec: ContainerSpec) -> None:
        done = self._start_client("create", *self.argv(spec)[3:])
        if done.returncode == 0:
            return
        if is_gone(done.stderr):
            raise missing(spec.image)
        raise self._cannot_look(f"image {spec.image[:19]}", done.stderr)

    def start(self, spec: ContainerSpec) -> None:
        arguments = self.argv(spec)[2:]
        done = self._start_client("run", "--detach", *arguments, apart=os.name == "posix")
        if done.returncode == 0:
            return
        if is_gone(done.stderr, IMAGE_GONE):
            raise missing(spec.image)
        raise EngineUnavailableError(
            f"the engine does not start {spec.name}: {last_line(done.stderr)}",
            hint="see what is wrong: pinnace doctor",
        )

    @contextmanager
    def file(self, container: str, path: str) -> Iterator[IO[bytes]]:
        import subprocess
        import tarfile
        import tempfile

        command = [self.name, "cp", f"{container}:{path}", "-"]
        nothing, pipe = subprocess.DEVNULL, subprocess.PIPE
        with (
            tempfile.TemporaryFile() as said,
            subprocess.Popen(command, stdin=nothing, stdout=pipe, stderr=said) as child,
        ):
            try:
                with tarfile.open(fileobj=child.stdout, mode="r|") as archive:
                    member = archive.next()
                    stream = archive.extractfile(member) if member and member.isreg() else None
                    if stream is None:
                        raise FileNotFoundError(path)
                    yield stream
            except tarfile.TarError as error:
                child.wait()
                said.seek(0)
                errors = said.read().decode(errors="replace")
                if child.returncode == 0 or is_gone(errors):
                    raise FileNotFoundError(path) from error
                raise self._cannot_look(container, errors) from error
            finally:
                child.kill()

    def _cannot_look(self, into: str, errors: str) -> EngineUnavailableError:
        return EngineUnavailableError(
            f"the engine cannot look into {into}: {last_line(errors)}",
            hint=f"see its log, and '{self.name} system df' for its disk",
        )

    def remove(self, container: str) -> None:
        self.tell("container", "rm", "--force", "--volumes", container)

    def containers(self, label: str = "") -> list[Container]:
        filters = [f"--filter=label={label}"] if label else []
        listing = ("container", "ls", "--all", "--quiet", "--no-trunc", *filters)
        with self._understood():
            found = [Container.from_engine(one) for one in self.described("container", listing)]
        return sorted(found, key=lambda one: (one.created, one.name))

    def container(self, name: str) -> Container | None:
        with self._understood():
            described = json.loads(self.ask("container", "inspect", name) or "[]")
            found = [Container.from_engine(one) for one in described]
        return next((one for one in found if name in {one.name, one.id}), None)

    def glance(self, container: str) -> Container | None:
        return self.container(container)

    def memory(self, container: str) -> int:  # noqa: ARG002 (whoever can tell goes by it)
        return 0

    def rename(self, container: str, name: str) -> None:
        self.tell("container", "rename", container, name)

    def signal(self, container: str, signal: str) -> None:
        self.tell(*self.signal_argv(container, signal)[1:])

    def stop(self, ids: Sequence[str], *, grace: int) -> None:
        self.tell("container", "stop", "-t", str(grace), *ids)

    # Networks.

    def create_network(self, network: Network) -> None:
        arguments = self.create_network_argv(network)[1:]
        done = self._start_client(*arguments, apart=os.name == "posix")
        if done.returncode != 0:
            raise EngineUnavailableError(
                f"the engine makes no network: {last_line(done.stderr)}",
                hint="each launch with such a runtime needs one: if no range of addresses is free, "
                "end some, or give the engine more (default-address-pools in its daemon.json)",
            )

    def remove_network(self, name: str) -> None:
        self.tell(*self.remove_network_argv(name)[1:])

    def networks(self, label: str) -> list[Network]:
        listing = ("network", "ls", "--quiet", "--no-trunc", f"--filter=label={label}")
        with self._understood():
            return [Network.from_engine(one) for one in self.described("network", listing)]
