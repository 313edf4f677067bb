"""The options of `pinnace run`, parsed by argparse: importing click would cost the launch 15 ms."""

from __future__ import annotations

import argparse
import re
from typing import TYPE_CHECKING, NoReturn

from pinnace.plan import RunRequest
from pinnace.settings import DEFAULT_MEMORY, DEFAULT_PIDS, Settings
from pinnace_images import contract
from pinnace_images.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

_DESCRIPTION = """\
Run Claude in a container of the project's pinned version. Everything after '--' goes to Claude
untouched, and so do standard input and output, the terminal, signals and the exit code.
"""


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        unknown = "Claude's own arguments go after '--'; " if "unrecognized" in message else ""
        raise UsageError(message, hint=f"{unknown}see: pinnace run --help")


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
    options = _parser().parse_args(own)
    return RunRequest(
        claude_arguments=claude,
        claude_version=options.claude_version,
        settings=Settings(
            variant=options.variant,
            user_agent=options.user == contract.AGENT_NAME,
            environment_names=tuple(options.env),
            memory=options.memory,
            pids=options.pids_limit,
            config_directory=options.config_dir,
            provision=not options.no_provision,
        ),
        dry_run=options.dry_run,
    )


def _variant(text: str) -> str:
    if not (text.isascii() and text.replace("-", "").isalnum()):
        raise argparse.ArgumentTypeError("letters, digits and hyphens only")
    return text


def _size(text: str) -> str:
    if not re.fullmatch(r"[1-9][0-9]{0,12}[bkmgBKMG]?", text):
        raise argparse.ArgumentTypeError("a number with b, k, m or g, like 8g")
    return text


def _count(text: str) -> int:
    if not re.fullmatch(r"[1-9][0-9]{0,6}", text):
        raise argparse.ArgumentTypeError("a number from 1 to 9999999")
    return int(text)


def _parser() -> _Parser:
    parser = _Parser(
        prog="pinnace run",
        description=_DESCRIPTION,
        usage="pinnace run [options] [-- CLAUDE_ARGS...]",
        allow_abbrev=False,
        # A given width: asking the terminal for it imports another 2 ms.
        formatter_class=lambda prog: argparse.HelpFormatter(prog, width=80),
    )
    add = parser.add_argument
    add("--claude-version", metavar="SPEC", help="the CLI's version; wins over every pin")
    add(
        "--variant",
        default=contract.DEFAULT_VARIANT,
        type=_variant,
        help="the image's variant (%(default)s)",
    )
    add("--env", action="append", default=[], metavar="NAME", help="pass one more variable")
    add(
        "--config-dir",
        default="",
        metavar="DIR",
        help="Claude's config directory, instead of Pinnace's own",
    )
    add(
        "--memory",
        default=DEFAULT_MEMORY,
        metavar="SIZE",
        type=_size,
        help="memory limit (%(default)s)",
    )
    add(
        "--pids-limit",
        default=DEFAULT_PIDS,
        type=_count,
        metavar="N",
        help="processes (%(default)s)",
    )
    add("--user", choices=[contract.AGENT_NAME], help="run as the image's own user (uid 1000)")
    add("--no-provision", action="store_true", help="do not build an image that is missing")
    add("--dry-run", action="store_true", help="print the command, ready to be pasted")
    return parser


def options() -> list[argparse.Action]:
    """Give all options: for shell completion."""
    return _parser()._actions  # noqa: SLF001 (argparse has no other way to ask)
