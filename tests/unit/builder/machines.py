"""A machine with an engine that builds nothing: it knows names, and what it was told."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Final, cast

from python_on_whales.exceptions import DockerException, NoSuchImage

from pinnace_core.engine import buildx
from pinnace_core.engine.docker import Docker
from pinnace_core.errors import VerificationFailedError
from pinnace_images import contract
from tests.unit.builder.recipes import AMD64

if TYPE_CHECKING:
    from python_on_whales import DockerClient

    from pinnace_core.engine.buildx import Build

ID: Final = f"sha256:{'1d' * 32}"


class Machine:
    """Stands in for the engine, buildx included: knows names, runs nothing.

    Attributes:
        names: of the one image that it can make.
        builds: what was built.
        labels: of the image, instead of what it is built with.
        error: that building ends in.
        smokes: whether the image passes its smoke test.
        refuses: what it does not do, of its other verbs.
    """

    def __init__(self) -> None:
        self.names: list[str] = []
        self.builds: list[Build] = []
        self.labels: dict[str, str] = {}
        self.error: Exception | None = None
        self.smokes = True
        self.refuses: set[str] = set()
        self.image = self

    @staticmethod
    def info() -> SimpleNamespace:
        return SimpleNamespace(docker_root_dir=None)

    def run(self, _client: object, build: Build, *, quiet: bool) -> None:
        assert quiet
        self.builds.append(build)
        if self.error:
            raise self.error
        self.names.append(build.name)

    def inspect(self, name: str) -> Any:
        assert name in self.names
        self._refuse("inspect")
        return type("Image", (), {"id": ID})

    def tag(self, image: str, name: str) -> None:
        assert image == ID
        self._refuse("tag")
        self.names.append(name)

    def remove(self, name: str, **_: object) -> None:
        self._refuse("remove")
        if name not in self.names:
            raise NoSuchImage(["docker"], 1, b"", b"No such image")
        self.names.remove(name)

    def _refuse(self, verb: str) -> None:
        if verb in self.refuses:
            raise DockerException(["docker", verb], 1, b"", b"told to fail")

    def image_id(self, _client: object, name: str) -> str | None:
        return ID if name in self.names else None

    def smoke(self, *_: object, **__: object) -> None:
        if not self.smokes:
            raise VerificationFailedError("the built image has setuid '/bin/su', expected ''")

    def argv(self) -> list[str]:
        """Return the arguments of the last build, with fixed places and names."""
        build = self.builds[-1]
        argv = buildx.arguments(build, progress="plain")
        known = {
            str(build.context.parent): "/tmp/x",  # noqa: S108 (not used)
            build.name.rpartition(":")[2]: "building-0",
            build.labels[contract.LABEL_BASE_ID]: "BASE-ID",
            build.labels[contract.LABEL_BUILD_ID]: "BUILD-ID",
        }
        for old, new in known.items():
            argv = [a.replace(old, new) for a in argv]
        return argv


class MachineDocker(Docker):
    """Docker, as far as it is not python-on-whales' client."""

    __slots__ = ("_client",)

    def __init__(self, client: Machine) -> None:
        super().__init__()
        self._client = client

    @property
    def whales(self) -> DockerClient:
        return cast("DockerClient", self._client)

    def connect(self) -> DockerClient:
        return self.whales

    def machine(self) -> str:
        return AMD64.architecture

    def ask(self, *_: str) -> str:
        return "own"
