"""What is the same for all engines whose client takes docker's commands: most of it.

A kind of engine is a class of its own, which says what it does otherwise.
"""

from __future__ import annotations

import json
import os
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, ClassVar, Final

from pinnace_core.container import Container, Finished, Network
from pinnace_core.engine import facts as engine_facts
from pinnace_core.engine.argv import Spelling
from pinnace_core.errors import (
    ClientMissingError,
    EngineUnavailableError,
    ImageMissingError,
    ImageRegistryError,
    PinnaceError,
    RegistryDeniedError,
)
from pinnace_core.image import Image, missing

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator, Mapping, Sequence
    from typing import IO

    from python_on_whales import DockerClient

    from pinnace_core.container import ContainerSpec
    from pinnace_core.engine.facts import EngineFacts

# What docker and podman say of what is gone, is not there, or goes just now; in lower case.
_IMAGE_GONE: Final = ("no such image", "image not known", "unable to find image")
_GONE: Final = (
    *_IMAGE_GONE,
    *("no such container", "no such object", "is already in progress"),
    *("no such network", "network * not found"),
    # Of a file in a container.
    *("no such file", "could not find"),
)
# A list fails as a whole if something in it goes meanwhile.
_GOING: Final = ("snapshot not found", "content digest")
ATTEMPTS: Final = 6
PAUSE_SECONDS: Final = 0.05
_LOCAL: Final = ("unix://", "npipe:////./")
_SILENT: Final = ("cannot connect to", "is the docker daemon running")
# Of a pull. A repository that must not be seen is told as one that is not there, and the other way
# round.
_UNPUBLISHED: Final = ("manifest unknown", "not found", "name unknown", "no matching manifest")
_DENIED: Final = ("denied", "unauthorized", "authentication required", "no basic auth")


def which(program: str, environment: Mapping[str, str]) -> str | None:
    """Find a program on PATH: shutil's costs every launch 5 ms."""
    for place in environment.get("PATH", "").split(os.pathsep):
        for suffix in ("", ".exe") if os.name == "nt" else ("",):
            path = f"{place}{os.sep}{program}{suffix}"
            if place and os.path.isfile(path) and os.access(path, os.X_OK):  # noqa: PTH113 (hot)
                return path
    return None


class Client(Spelling):
    """An engine behind its client; the methods are those of `Engine`."""

    __slots__ = ("endpoint",)
    buildkit: ClassVar[bool]
    _install: ClassVar[str]
    _start: ClassVar[str]

    def __init__(self, endpoint: str = "") -> None:
        """Reach it at an endpoint; the client knows the usual one."""
        self.endpoint = endpoint or self.name

    @property
    def is_local(self) -> bool:
        return self.endpoint.startswith(_LOCAL) or self.endpoint == self.name

    @property
    def missing_client(self) -> ClientMissingError:
        return ClientMissingError(f"no {self.name} client is installed", hint=self._install)

    @property
    def whales(self) -> DockerClient:
        """Python-on-whales' client of this engine."""
        from python_on_whales import DockerClient

        return DockerClient(client_call=[self.name])

    # What it is.

    def facts(self, *, anew: bool = False, keep: bool = True) -> EngineFacts:
        # Read before it is asked: replaced in between, it is asked again next time.
        identities = engine_facts.identity(*self._marks())
        # Of a pipe nothing tells whether it is still the same engine's.
        lasting = any(identities[1:])
        known = engine_facts.load(self.endpoint, identities) if lasting and not anew else None
        if known is not None:
            return known
        with self._understood():
            found = self._ask_facts()
        if lasting and keep:
            engine_facts.save(self.endpoint, identities, found)
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
        done = self._start_client("pull", f"--platform={platform}", reference, output=2)
        if done.returncode != 0:
            raise self._pull_failure(reference, done.stderr)

    def _pull_failure(self, reference: str, errors: str) -> PinnaceError:
        said = _last_line(errors, "no reason given").removeprefix("Error response from daemon: ")
        text, lowered = f"'{reference}' cannot be pulled: {said}", said.lower()
        if any(words in lowered for words in _SILENT):
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
        if done.returncode != 0 and _is_gone(done.stderr, _IMAGE_GONE):
            raise missing(spec.image)
        return Finished(done.returncode, done.stdout, done.stderr)

    def create(self, spec: ContainerSpec) -> None:
        done = self._start_client("create", *self.argv(spec)[3:])
        if done.returncode == 0:
            return
        if _is_gone(done.stderr):
            raise missing(spec.image)
        raise self._cannot_look(f"image {spec.image[:19]}", done.stderr)

    def start(self, spec: ContainerSpec) -> None:
        arguments = self.argv(spec)[2:]
        done = self._start_client("run", "--detach", *arguments, apart=os.name == "posix")
        if done.returncode == 0:
            return
        if _is_gone(done.stderr, _IMAGE_GONE):
            raise missing(spec.image)
        raise EngineUnavailableError(
            f"the engine does not start {spec.name}: {_last_line(done.stderr)}",
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
                if child.returncode == 0 or _is_gone(errors):
                    raise FileNotFoundError(path) from error
                raise self._cannot_look(container, errors) from error
            finally:
                child.kill()

    def _cannot_look(self, into: str, errors: str) -> EngineUnavailableError:
        return EngineUnavailableError(
            f"the engine cannot look into {into}: {_last_line(errors)}",
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

    def stop(self, ids: Sequence[str], *, grace: int) -> None:
        self.tell("container", "stop", "-t", str(grace), *ids)

    # Networks.

    def create_network(self, network: Network) -> None:
        arguments = self.create_network_argv(network)[1:]
        done = self._start_client(*arguments, apart=os.name == "posix")
        if done.returncode != 0:
            raise EngineUnavailableError(
                f"the engine makes no network: {_last_line(done.stderr)}",
                hint="each launch with such a runtime needs one: if no range of addresses is free, "
                "end some, or give the engine more (default-address-pools in its daemon.json)",
            )

    def remove_network(self, name: str) -> None:
        self.tell(*self.remove_network_argv(name)[1:])

    def networks(self, label: str) -> list[Network]:
        listing = ("network", "ls", "--quiet", "--no-trunc", f"--filter=label={label}")
        with self._understood():
            return [Network.from_engine(one) for one in self.described("network", listing)]

    # The client.

    def described(self, kind: str, listing: Sequence[str]) -> list[dict[str, Any]]:
        """Describe all that a listing names, each once; what goes meanwhile is left out."""
        ids = sorted(set((self.ask(*listing) or "").split()))
        described = json.loads(self.ask(kind, "inspect", *ids) or "[]") if ids else []
        if not isinstance(described, list):
            raise TypeError("one document instead of a list")
        return described

    def ask(self, *arguments: str) -> str | None:
        """Ask a question; return the answer, or None if what was named is not there.

        Of several that were named, those that are there are described.
        """
        done = self._start_client(*arguments)
        for attempt in range(1, ATTEMPTS):
            if done.returncode == 0 or not _is_gone(done.stderr, _GOING):
                break
            time.sleep(PAUSE_SECONDS * attempt)
            done = self._start_client(*arguments)
        if done.returncode == 0:
            return done.stdout
        if _is_gone(done.stderr):
            return done.stdout if done.stdout.strip("[] \n") else None
        raise EngineUnavailableError(
            f"the engine does not answer: {_last_line(done.stderr)}", hint=self._start
        )

    def tell(self, *arguments: str) -> None:
        """Give a command; what is gone already needs none."""
        # A terminal's Ctrl-C is not for it: it may be what tidies up.
        done = self._start_client(*arguments, apart=os.name == "posix")
        lines = done.stderr.strip().splitlines() or ["no answer"]
        if done.returncode == 0 or all(map(_is_gone, lines)):
            return
        silent = any(text in lines[-1].lower() for text in _SILENT)
        what = "does not answer" if silent else f"refuses '{' '.join(arguments[:2])}'"
        raise EngineUnavailableError(
            f"the engine {what}: {lines[-1]}", hint="see what is wrong: pinnace doctor"
        )

    def _start_client(
        self,
        *arguments: str,
        output: int = -1,
        seconds: float | None = None,
        apart: bool = False,
    ) -> subprocess.CompletedProcess[str]:
        """Run the client to its end; `apart` from the terminal's other processes."""
        import subprocess

        try:
            return subprocess.run(
                [self.name, *arguments],
                check=False,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.PIPE,
                encoding="utf-8",
                errors="replace",
                timeout=seconds,
                process_group=0 if apart else None,
            )
        except (FileNotFoundError, PermissionError):
            raise self.missing_client from None

    @contextmanager
    def _understood(self) -> Iterator[None]:
        try:
            yield
        except (ValueError, KeyError, TypeError, AttributeError, IndexError) as error:
            raise EngineUnavailableError(
                f"the engine at {self.endpoint} gives an answer that makes no sense",
                hint="restart it, or check that it is an engine: docker context ls",
            ) from error


def _is_gone(errors: str, words: Sequence[str] = _GONE) -> bool:
    said = errors.lower()
    return any(all(part in said for part in text.split("*")) for text in words)


def _last_line(errors: str, nothing: str = "no answer") -> str:
    # What clients say after an error is advice.
    said = [line for line in errors.strip().splitlines() if line and not line.startswith("Run '")]
    return next(reversed(said), nothing).strip()
