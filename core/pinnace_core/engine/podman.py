"""Podman, which is asked through its client."""

from __future__ import annotations

import json
import os
import platform
import sys
from typing import TYPE_CHECKING, Any, Final

from pinnace_core import console, signals
from pinnace_core.engine import facts as engine_facts
from pinnace_core.engine.argv import record
from pinnace_core.engine.cli import Client
from pinnace_core.engine.program import which
from pinnace_core.errors import BuildFailedError
from pinnace_core.host import home

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Self

    from python_on_whales import DockerClient

    from pinnace_core.container import Mount, Network, Tmpfs
    from pinnace_core.engine.buildx import Build
    from pinnace_core.engine.facts import EngineFacts
    from pinnace_core.host import HostFacts
    from pinnace_core.image import Image

_LOCALHOST: Final = "localhost/"
"""What podman puts before names that have no host."""
# What podman 4.3 refuses, and what takes its place: nothing is shared or foreign here.
_LINK: Final = b"\nCOPY --link "
_ARCHITECTURE: Final = b"${TARGETARCH}"
_IMAGE_SCHEME: Final = "docker-image://"


class Podman(Client):
    """A podman."""

    __slots__ = ()
    name = "podman"
    buildkit = False
    # Not tried.
    can_be_entered = False
    _install = "install podman"
    _start = "see: podman info"
    _detach_keys = ""
    # Of its own accord, podman adds /run and /var/tmp.
    _own_hardening = ("--read-only-tmpfs=false",)
    # Given one, it forgets those of containers.conf, and raises the limit on open files as far as
    # it goes, which not every host allows.
    _takes_ulimits = False
    _log = ("--log-driver=k8s-file", "--log-opt=max-size=64mb")

    @classmethod
    def of_host(cls, facts: HostFacts) -> Self:
        """Return the podman that the client is told to use."""
        host = facts.environment.get("CONTAINER_HOST", "")
        # The machine that podman itself runs is reached through ssh, but mounts what is here.
        own = facts.os != "linux" and ("@127.0.0.1" in host or "@localhost" in host)
        return cls("" if own else host)

    def _marks(self) -> tuple[str, ...]:
        """Return the program, and what it reads: there is no process of an engine."""
        own = os.environ.get("XDG_CONFIG_HOME") or str(home() / ".config")
        return (
            which(self.name, os.environ) or "",
            os.environ.get("XDG_RUNTIME_DIR") or "",
            os.environ.get("CONTAINERS_CONF") or "",
            *(f"{place}/containers/containers.conf" for place in ("/etc", own)),
            f"{own}/containers/storage.conf",
        )

    def _ask_facts(self) -> EngineFacts:
        info = json.loads(self.ask("info", "--format=json") or "null")
        init = engine_facts.podman_has_init()
        return engine_facts.of_podman(info, own_machine=sys.platform != "linux", init=init)

    def connect(self) -> DockerClient:
        from python_on_whales.exceptions import DockerException

        from pinnace_core.engine import whales

        client = self.whales
        try:
            whales.image_id(client, "localhost/none")
        except DockerException as error:
            raise BuildFailedError(
                f"podman does not work: {whales.reason(error)}", hint="see: podman info"
            ) from error
        except FileNotFoundError as error:
            raise self.missing_client from error
        return client

    def machine(self) -> str:
        return platform.machine()

    def build(self, build: Build) -> None:
        """Build with buildah, whose layers differ from BuildKit's: so for this engine only."""
        from dataclasses import replace

        own = build.file or build.context / "Dockerfile"
        with signals.temporary_directory("pinnace-podman-") as directory:
            spelled = directory / "Dockerfile"
            spelled.write_bytes(_spelled(own.read_bytes(), build.platform))
            argv = self.build_argv(replace(build, file=spelled))
            code = console.show(argv)
        if code != 0:
            raise BuildFailedError(
                f"the build failed: exit code {code}",
                hint="podman's own messages are above; 'podman system df' shows its disk",
            )

    def build_argv(self, build: Build) -> list[str]:
        """Spell a build; proxies need no word: podman hands them in by itself."""
        images = {name: _taken(place) for name, place in build.contexts.items()}
        return [
            *(self.name, "build", f"--tag={self.local_name(build.name)}"),
            *(f"--build-context={name}={place}" for name, place in images.items()),
            *(f"--label={key}={value}" for key, value in build.labels.items()),
            *(f"--secret={record(f'id={n}', f'src={p}')}" for n, p in build.secrets.items()),
            *([f"--file={build.file}"] if build.file else []),
            *(f"--build-arg={argument}" for argument in build.arguments),
            *(["--no-cache"] if build.fresh else []),
            str(build.context),
        ]

    def import_options(self, platform: str) -> list[str]:
        # It has no variants.
        return [f"--arch={platform.split('/')[1]}"]

    def networks(self, label: str) -> list[Network]:  # noqa: ARG002 (as others take it)
        """Return none: see `EngineFacts.has_private_networks`."""
        return []

    def _image(self, item: Mapping[str, Any]) -> Image:
        """Spell names and ids as docker does; before ids, podman puts `sha256:` in lists only."""
        names = [str(name) for name in item.get("RepoTags") or () if name.startswith(_LOCALHOST)]
        return super()._image(
            {
                **item,
                "Id": f"sha256:{str(item['Id']).removeprefix('sha256:')}",
                "RepoTags": [name.removeprefix(_LOCALHOST) for name in names],
            }
        )

    def local_name(self, name: str) -> str:
        """Asked for a bare name, podman might find one that a registry gave."""
        return f"{_LOCALHOST}{name.removeprefix(_LOCALHOST)}"

    def _tmpfs(self, tmpfs: Tmpfs) -> str:
        """Podman knows no owner of a tmpfs but the user inside, and gives it that one with `U`."""
        options = dict(option.partition("=")[::2] for option in tmpfs.options.split(","))
        fields = ["type=tmpfs", f"destination={tmpfs.target}", f"tmpfs-mode={options['mode']}"]
        own = ["U=true"] if "uid" in options else []
        size = [f"tmpfs-size={options['size']}"] if "size" in options else []
        return f"--mount={record(*fields, *size, *own, 'exec', 'notmpcopyup')}"

    def _layer(self, mount: Mount) -> str:
        """Podman's own overlays: https://docs.podman.io/en/latest/markdown/podman-run.1.html."""
        options = f"O,upperdir={mount.upper},workdir={mount.work}"
        return f"--volume={mount.source}:{mount.target}:{options}"

    def _gpus(self, wanted: str) -> list[str]:
        """Name them by CDI: https://podman.io/docs and NVIDIA's container toolkit."""
        named = wanted.removeprefix("device=").split(",")
        ids = list(map(str, range(int(wanted)))) if wanted.isdecimal() else named
        return [f"--device=nvidia.com/gpu={one}" for one in ids]


def _spelled(dockerfile: bytes, platform: str) -> bytes:
    """Return a Dockerfile as podman reads it."""
    plain = dockerfile.replace(_LINK, b"\nCOPY ")
    return plain.replace(_ARCHITECTURE, platform.split("/")[1].encode())


def _taken(place: str) -> str:
    """Spell where a stage is taken from: of images, BuildKit has another word."""
    image = place.removeprefix(_IMAGE_SCHEME)
    return f"container-image://{image}" if image != place else place
