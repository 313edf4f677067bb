"""Which version the project around the working directory pins; no engine or registry is asked."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from pinnace.config import pin as pins
from pinnace.config import project
from pinnace_core.errors import PinnaceError
from pinnace_core.host import HostFacts

if TYPE_CHECKING:
    from pinnace_images.versions import CliVersion


def pinned(facts: HostFacts | None = None) -> CliVersion:
    """Return it.

    Raises:
        BadPinError: the pin is not a version, or no locked one fits.
        BadSettingsError: a settings file is not what it should be.
        BadLockError: the project's lock cannot be read.
    """
    facts = facts or HostFacts.detect()
    pin = pins.find(facts)
    if pin is not None and pin.specifier.exact is not None:
        return pin.specifier.exact
    # What else it brings takes 10 ms, and most pins are exact.
    from pinnace.config import pin_edit

    root = project.find_root(Path(facts.cwd), home=Path(facts.home))
    return pins.resolved(pin, project=pin_edit.load_lock(root))


def unlike(theirs: str, facts: HostFacts) -> str:
    """Return what to say if a client brings another version than the one that runs; or nothing."""
    try:
        ours = str(pinned(facts))
    except PinnaceError:
        # The launch says so, too.
        return ""
    if theirs == ours:
        return ""
    return (
        f"the client brings Claude Code {theirs}, this project pins {ours}, and that is what runs; "
        f"to pin the client's: pinnace pin {theirs}"
    )
