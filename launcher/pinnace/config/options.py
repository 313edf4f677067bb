"""The options before `--`: one for each setting, and those of a single launch."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any, Final, NoReturn

from pinnace.config import DEFAULTS
from pinnace.config.schema import KEYS, VERSION
from pinnace.config.types import BOOLEAN
from pinnace.request import RunRequest
from pinnace_core.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pinnace.config.schema import Key

_DESCRIPTION: Final = """\
Run Claude in a container of the project's pinned version. Everything after '--' goes to Claude
untouched, and so do standard input and output, the terminal, signals and the exit code.
"""

# The keys of each section; of those that begin alike, the first that fits counts.
_SECTIONS: Final = (
    ("version and image", ("claude.", "image.", "run.provision")),
    ("network", ("run.proxy", "run.certificates")),
    ("accounts and secrets", ("auth.", "run.ssh-agent")),
    ("container", ("run.",)),
)
_ORDER: Final = ("version and image", "container", "accounts and secrets", "network")
_LAUNCH: Final = "this launch"
_LONGEST: Final = 40
_SHORT: Final = len("--m")
_CLOSE: Final = 0.75


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        unknown = ""
        if "unrecognized" in message:
            unknown = f"{self._like(message)}Claude's own arguments go after '--'; "
        raise UsageError(message, hint=f"{unknown}see: pinnace run --help")

    def _like(self, message: str) -> str:
        """Return `perhaps you meant --memory; ` if an option looks like the first unknown one."""
        import difflib

        first = message.partition(": ")[2].partition(" ")[0].partition("=")[0][:_LONGEST]
        known = [option for action in self._actions for option in action.option_strings]
        begun = [option for option in known if len(first) > _SHORT and option.startswith(first)]
        close = begun or difflib.get_close_matches(first, known, n=1, cutoff=_CLOSE)
        return f"perhaps you meant {close[0]}; " if close else ""


def parse(own: Sequence[str]) -> RunRequest:
    """Read options.

    Raises:
        UsageError: they cannot be understood.
    """
    options = vars(_parser().parse_args(own))
    flags = {
        key.name: _raw(key, options[key.name])
        for key in KEYS
        if options[key.name]  # keep
        is not None
    }
    return RunRequest(
        claude_version=options[VERSION.name],
        flags=flags,
        dry_run=options["dry_run"],
        timing=options["timing"],
    )


def actions() -> list[argparse.Action]:
    """Return all options, for the documentation."""
    return list(_parser()._actions)  # noqa: SLF001 (there is no other way to them)


def _raw(key: Key, given: Any) -> object:  # noqa: ANN401 (argparse)
    """Return what TOML would: argparse gives texts, lists of texts, or booleans."""
    return given if isinstance(given, list | bool) else key.kind.from_text(given)


def _parser() -> _Parser:
    parser = _Parser(
        prog="pinnace run",
        description=_DESCRIPTION,
        usage="pinnace run [options] [-- CLAUDE_ARGS...]",
        allow_abbrev=False,
        add_help=False,
        # A given width: asking the terminal for it imports another 2 ms.
        formatter_class=lambda prog: argparse.HelpFormatter(prog, width=80),
    )
    for title in _ORDER:
        group = parser.add_argument_group(title)
        for key in KEYS:
            if _section(key) == title:
                _add(group, key)
    launch = parser.add_argument_group(_LAUNCH)
    launch.add_argument(
        "--dry-run", action="store_true", help="print the command, ready to be pasted"
    )
    launch.add_argument("--timing", action="store_true", help="tell where the time went")
    launch.add_argument("-h", "--help", action="help", help="show this help and exit")
    return parser


def _section(key: Key) -> str:
    return next(title for title, names in _SECTIONS if key.name.startswith(names))


def _add(parser: argparse._ArgumentGroup, key: Key) -> None:
    if key.kind is BOOLEAN:
        default = "this is the default" if getattr(DEFAULTS, key.field) else "the default: no"
        parser.add_argument(
            key.flag,
            dest=key.name,
            action="store_true",
            default=None,
            help=f"{key.help} ({default})",
        )
        parser.add_argument(
            f"--no-{key.flag[2:]}",
            dest=key.name,
            action="store_false",
            default=None,
            help=f"turns {key.flag} off",
        )
        return
    parser.add_argument(
        key.flag,
        dest=key.name,
        action="append" if key.kind.is_list else "store",
        metavar=key.metavar,
        help=key.help + _default(key),
    )


def _default(key: Key) -> str:
    default = getattr(DEFAULTS, key.field) if key.field else ""
    return f" ({default})" if default and not isinstance(default, tuple) else ""
