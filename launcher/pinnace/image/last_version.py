"""The version of the CLI that a project ran last: it goes back only if the user says so.

An older one may have holes that are closed since, and what a project pins, an agent can change.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pinnace import image
from pinnace.agent import places
from pinnace_core.errors import BadPinError, UnsafeRequestError
from pinnace_images.versions import CliVersion

if TYPE_CHECKING:
    from pinnace.context import Context


def require(context: Context, version: CliVersion) -> None:
    """See that the project does not go back to an older CLI than it ran last, unless the user said.

    Raises:
        UnsafeRequestError: it would.
    """
    ran = last(context) if _is_of_project(context) else None
    if ran is None or version >= ran:
        return
    pin = image.pin_of(context)
    raise UnsafeRequestError(
        f"{f'{pin.source} asks for' if pin else 'without a pin, it is'} {version}, "
        f"older than {ran}, which this project ran last",
        hint=f"if that is what you want: pinnace trust, or pinnace pin {version}",
    )


def last(context: Context) -> CliVersion | None:
    """Return the version that the project ran last; None if it is not known."""
    record = places.read(places.slot(context.project.source))
    try:
        return CliVersion.parse(record.version) if record and record.version else None
    except BadPinError:
        return None


def remember(context: Context, version: CliVersion) -> None:
    """Remember what a project runs, if it is the project that says so.

    Raises:
        CannotWriteError: it cannot be written.
    """
    if _is_of_project(context):
        source = context.project.source
        places.keep(places.slot(source), places.Record(source, str(version)))


def _is_of_project(context: Context) -> bool:
    """Return whether the project's own files decide on the version, or that there is no pin."""
    pin = image.pin_of(context)
    if pin is None:
        return True
    return pin.path is not None and pin.path.is_relative_to(context.config.files.root)
