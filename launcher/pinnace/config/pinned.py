"""Which exact version a pin means."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pinnace_core.errors import BadPinError

if TYPE_CHECKING:
    from collections.abc import Callable

    from pinnace.config.pin import Pin
    from pinnace_images.lock import Lock
    from pinnace_images.versions import CliVersion, Specifier


def default_version() -> CliVersion:
    """Return the lock's newest version.

    Raises:
        BadPinError: the lock is empty.
    """
    from pinnace_images import lock

    newest = lock.load_known().newest
    if newest is None:
        raise BadPinError("there is no pin, and the lock is empty", hint="run: pinnace pin VERSION")
    return newest


def resolved(
    pin: Pin | None,
    *,
    project: Lock | None = None,
    newest: Callable[[Specifier], CliVersion] | None = None,
) -> CliVersion:
    """Return the exact version that a pin means: a locked one if any fits, else a published one.

    Args:
        pin: what was asked for; None: the lock's newest.
        project: the project's own lock, which is asked first.
        newest: asks the npm registry for what is not locked; None: it may not be asked.

    Raises:
        BadPinError: no locked version fits, and the registry may not be asked.
        PinnaceError: the registry does not answer, or has none that fits.
    """
    if pin is None:
        return default_version()
    if pin.specifier.exact is not None:
        return pin.specifier.exact
    ours = pin.specifier.best(project.entries) if project else None
    if ours is not None:
        return ours
    from pinnace_images import lock

    version = pin.specifier.best(lock.load_known().entries)
    if version is not None:
        return version
    if newest is None:
        raise BadPinError(
            f"no locked version fits '{pin.specifier}' ({pin.source})",
            hint=f"run: pinnace pin '{pin.specifier}'",
        )
    return newest(pin.specifier)
