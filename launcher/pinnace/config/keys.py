"""Rows of the schema's table: what is said of a setting."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final

from pinnace.config import approval
from pinnace_core.tuples import NamedTuple

if TYPE_CHECKING:
    from pinnace.config.approval import Rule
    from pinnace.config.types import Kind

IMAGE: Final = "version and image"
CONTAINER: Final = "container"
ACCOUNTS: Final = "accounts and secrets"
NETWORK: Final = "network"
AUDIT: Final = "audit record"
LAUNCH: Final = "this launch"
SECTIONS: Final = (IMAGE, CONTAINER, ACCOUNTS, NETWORK, AUDIT, LAUNCH)
"""Of the options, as they are listed."""
_OF_TABLE: Final = {
    "claude": IMAGE,
    "image": IMAGE,
    "run": CONTAINER,
    "auth": ACCOUNTS,
    "network": NETWORK,
    "audit": AUDIT,
}


class Key(NamedTuple):
    """A setting.

    Attributes:
        name: in TOML, `TABLE.KEY`.
        field: of `Settings`; empty for the pin, which has sources of its own.
        kind: what it may be.
        variable: of the environment.
        flag: of `pinnace run`; a boolean has a `--no-` beside it.
        help: one line.
        metavar: of the flag.
        section: of the flag.
        approval: when it waits, in a project's file, until that file was approved.
        own: in a project's file it is an error, also in one that was approved.
    """

    name: str
    field: str
    kind: Kind
    variable: str
    flag: str
    help: str
    metavar: str
    section: str
    approval: Rule
    own: bool = False


def key(  # noqa: PLR0913 (a row of the table)
    name: str,
    kind: Kind,
    variable: str,
    text: str,
    metavar: str = "",
    *,
    field: str | None = None,
    flag: str = "",
    section: str = "",
    approval: Rule = approval.NEVER,
    own: bool = False,
) -> Key:
    """Make a row; where nothing else is said, field and flag are called as the key is."""
    table, _, short = name.partition(".")
    return Key(
        name,
        short.replace("-", "_") if field is None else field,
        kind,
        variable,
        flag or f"--{short}",
        text,
        metavar,
        section or _OF_TABLE[table],
        approval,
        own,
    )


reaching: Final = partial(key, approval=approval.ALWAYS)
own_alone: Final = partial(reaching, own=True)
