"""What a launch would do here, without doing it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from pinnace import context
from pinnace.config import pinned, project_lock
from pinnace.image import selection, verify
from pinnace.request import RunRequest
from pinnace_core.errors import PinnaceError

if TYPE_CHECKING:
    from pinnace.config import Pending
    from pinnace.config.pin import Pin
    from pinnace.image.outlook import Outlook
    from pinnace_core.host import HostFacts
    from pinnace_images.lock import Lock
    from pinnace_images.versions import CliVersion


class Status(NamedTuple):
    """A project's state.

    Attributes:
        workspace: what would be mounted.
        specifier: what the pin says, if there is one.
        source: where the pin is.
        version: what it means, as far as that is known without asking the registry.
        outlook: the image that would be taken, or got; None if that is not known.
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
    outlook: Outlook | None
    verified: bool
    endpoint: str
    engine_version: str | None
    problem: PinnaceError | None
    pending: tuple[Pending, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """Return the status as plain data."""
        image = self.outlook.image if self.outlook else None
        return {
            "workspace": self.workspace,
            "pin": {
                "specifier": self.specifier,
                "source": self.source,
                "version": str(self.version) if self.version else None,
            },
            "image": None if image is None else {"id": image.id, "tags": list(image.tags)},
            "missing": self.outlook.missing_json() if self.outlook else None,
            "verified": self.verified,
            "engine": {"endpoint": self.endpoint, "version": self.engine_version},
            "pending": [{"path": p.path, "keys": list(p.values)} for p in self.pending],
        }

    def as_lines(self) -> list[tuple[str, str]]:
        """Return the status for people: name and value."""
        pinned = f"{self.specifier} ({self.source})"
        if self.specifier is None:
            pinned = "none: the newest that is locked counts"
        notes = [("note", self.outlook.note)] if self.outlook and self.outlook.note else []
        unverified = "not yet" if self.outlook else "unknown"
        return [
            ("workspace", self.workspace),
            ("pin", pinned),
            ("version", str(self.version) if self.version else "not resolved yet"),
            ("image", self.outlook.text() if self.outlook else "unknown"),
            *notes,
            ("verified", "yes" if self.verified else unverified),
            ("engine", f"{self.engine_version or 'does not answer'} at {self.endpoint}"),
            *(("pending", f"{', '.join(p.values)} ({p.path})") for p in self.pending),
        ]


def collect(facts: HostFacts) -> Status:
    """Read the state of the project around the working directory.

    Raises:
        BadPinError: the pin is not a version.
        BadSettingsError: a settings file or variable is not what it should be.
    """
    here = context.survey(RunRequest(), facts)
    pin = here.pin()
    version = pinned.default_version() if pin is None else _resolved(pin, here.locked)
    engine_version, found, problem = None, None, None
    try:
        engine_version = here.engine.version()
        if version is not None:
            found = here.outlook(version)
        if found is not None and found.image is not None and version is not None:
            project_lock.require(found.image, version, here.locked)
    except PinnaceError as error:
        problem = error
    image = found.image if found else None
    return Status(
        workspace=here.project.source,
        specifier=str(pin.specifier) if pin else None,
        source=pin.source if pin else "no pin: the lock's newest",
        version=version,
        outlook=found,
        verified=image is not None and verify.is_verified(image, selection.records_directory()),
        endpoint=here.engine.endpoint,
        engine_version=engine_version,
        problem=problem,
        pending=here.config.pending,
    )


def _resolved(pin: Pin, locked: Lock | None) -> CliVersion | None:
    try:
        return pinned.resolved(pin, provision=False, project=locked)
    except PinnaceError:
        return None
