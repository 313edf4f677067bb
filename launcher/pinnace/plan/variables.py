"""Variables of Claude's, and the ways that their values take."""

from __future__ import annotations

from typing import Final, Literal

from pinnace_core.tuples import NamedTuple

# Clients take a line of a file of variables as it is, and none that is longer than 64 KiB.
_LONGEST_LINE: Final = 32 << 10


class Variable(NamedTuple):
    """A variable of Claude's.

    Attributes:
        name: of it.
        way: that its value takes. `plain`: in the client's arguments, for everybody to see.
            `fixed`: likewise, whatever the user gives it. `by name`: in the client's environment.
            `secret`: in neither; its contributor brings it. `outside`: it does not go in.
        value: None: the host's own.
    """

    name: str
    way: Literal["plain", "fixed", "by name", "secret", "outside"]
    value: str | None = None

    def __repr__(self) -> str:
        """Return it without a value that may be secret: not even a debugger's list shows that."""
        shown = self.value if self.way in {"plain", "fixed"} else "..."
        return f"Variable({self.name}={shown})"


def plain(name: str, value: str) -> Variable:
    """Return a variable that is no secret."""
    return Variable(name, "plain", value)


def fixed(name: str, value: str) -> Variable:
    """Return a variable that is no secret, and that the user cannot give another value."""
    return Variable(name, "fixed", value)


def by_name(name: str, value: str | None = None) -> Variable:
    """Return a variable that the client is told the name of."""
    return Variable(name, "by name", value)


def is_a_line(value: str) -> bool:
    """Return whether a value can stand in a file of NAME=VALUE lines that knows no escapes."""
    try:
        size = len(value.encode())
    except UnicodeEncodeError:
        return False
    return size <= _LONGEST_LINE and "\n" not in value and "\r" not in value
