"""The options of `pinnace run`, parsed by argparse: importing click would cost the launch 15 ms."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pinnace.plan import RunRequest

if TYPE_CHECKING:
    from collections.abc import Sequence


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
    from pinnace.settings import run_parser

    return run_parser.parse(own)._replace(claude_arguments=claude)
