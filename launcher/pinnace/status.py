"""What a launch would do here, without doing it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from pinnace import (
    cascade,
    engine,
    images,
    launch,
    pins,
    project_lock,
    verify,
    workspace,
)
from pinnace_images.errors import PinnaceError
from pinnace_images.platforms import Platform

if TYPE_CHECKING:
    from pinnace.cascade import Loaded, Pending
    from pinnace.facts import HostFacts
    from pinnace.images import LocalImage
    from pinnace_images.lock import Lock
    from pinnace_images.versions import CliVersion


class Status(NamedTuple):
    """A project's state.

    Attributes:
        workspace: what would be mounted.
        specifier: what the pin says, if there is one.
        source: where the pin is.
        version: what it means, as far as that is known without asking the registry.
        image: the image that would be taken.
        verified: whether that image was verified.
        endpoint: of the engine.
        engine_version: if it answers.
        problem: what keeps a launch from working, if anything.
        pending: what the project's files ask for, and does not count before it is approved.
    """

    workspace: str
    specifier: str | None
    source: str
    version: CliVersion | None
    image: LocalImage | None
    verified: bool
    endpoint: str
    engine_version: str | None
    problem: PinnaceError | None
    pending: tuple[Pending, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """Give the status as plain data."""
        image = self.image
        return {
            "workspace": self.workspace,
            "pin": {
                "specifier": self.specifier,
                "source": self.source,
                "version": str(self.version) if self.version else None,
            },
            "image": None if image is None else {"id": image.id, "tags": list(image.tags)},
            "verified": self.verified,
            "engine": {"endpoint": self.endpoint, "version": self.engine_version},
            "pending": [{"path": p.path, "keys": list(p.values)} for p in self.pending],
        }

    def as_lines(self) -> list[tuple[str, str]]:
        """Give the status for people: name and value."""
        pinned = f"{self.specifier or self.version} ({self.source})"
        image = "none yet: the next launch builds it"
        if self.image is not None:
            image = self.image.tags[0] if self.image.tags else self.image.id
        elif self.engine_version is None:
            image = "unknown"
        return [
            ("workspace", self.workspace),
            ("pin", pinned),
            ("version", str(self.version) if self.version else "not resolved yet"),
            ("image", image),
            ("verified", "yes" if self.verified else "not yet"),
            ("engine", f"{self.engine_version or 'does not answer'} at {self.endpoint}"),
            *(("pending", f"{', '.join(p.values)} ({p.path})") for p in self.pending),
        ]


def collect(facts: HostFacts) -> Status:
    """Read the state of the project around the working directory.

    Raises:
        BadPinError: the pin is not a version.
        BadSettingsError: a settings file or variable is not what it should be.
    """
    project = workspace.locate(facts)
    loaded = cascade.load(facts, {})
    pin = pins.find(facts, files=loaded.files)
    locked = project_lock.load(Path(project.source))
    version = launch.default_version() if pin is None else _resolved(pin, locked)
    found = engine.find(facts)
    engine_version, image, problem = None, None, None
    try:
        engine_version = found.version()
        image = _image(found, version, facts, loaded)
        if image is not None and version is not None:
            project_lock.require(image, version, locked)
    except PinnaceError as error:
        problem = error
    return Status(
        workspace=project.source,
        specifier=str(pin.specifier) if pin else None,
        source=pin.source if pin else "no pin: the lock's newest",
        version=version,
        image=image,
        verified=image is not None and verify.is_verified(image, launch.records_directory()),
        endpoint=found.endpoint,
        engine_version=engine_version,
        problem=problem,
        pending=loaded.pending,
    )


def _resolved(pin: pins.Pin, locked: Lock | None) -> CliVersion | None:
    try:
        return launch.resolved(pin, provision=False, project=locked)
    except PinnaceError:
        return None


def _image(
    found: engine.Engine, version: CliVersion | None, facts: HostFacts, loaded: Loaded
) -> LocalImage | None:
    if version is None:
        return None
    platform = str(Platform.of_machine(facts.machine))
    wanted = images.Wanted(version, loaded.settings.variant, platform)
    return launch.find_image(found, wanted)
