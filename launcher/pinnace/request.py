"""What is asked of a launch, and how a command line says it."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from pinnace.config import Settings
from pinnace_images import contract

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


class RunRequest(NamedTuple):
    """What the user asked for in this command.

    Attributes:
        claude_arguments: for Claude, untouched.
        claude_version: a specifier that wins over every pin.
        settings: everything else; as it is where `flags` is None.
        flags: settings that were given in the command, by their names, as TOML would give them; the
            other sources are read beside them.
        dry_run: only print the command.
        timing: tell where the time went.
        program: what runs inside: Claude, or a shell instead.
    """

    claude_arguments: tuple[str, ...] = ()
    claude_version: str | None = None
    settings: Settings = Settings()
    flags: Mapping[str, object] | None = None
    dry_run: bool = False
    timing: bool = False
    program: str = contract.CLAUDE_BINARY


def parse(arguments: Sequence[str]) -> RunRequest:
    """Read the arguments after `pinnace run`.

    Raises:
        UsageError: they cannot be understood.
    """
    own = list(arguments)
    claude: tuple[str, ...] = ()
    if "--" in own:
        cut = own.index("--")
        own, claude = own[:cut], tuple(own[cut + 1 :])
    if not own:
        return RunRequest(claude_arguments=claude, flags={})
    # Imported where there is something to parse: argparse takes 6 ms.
    from pinnace.config import options

    return options.parse(own)._replace(claude_arguments=claude)
