"""What gateways wrote down: who asked for what, and what became of it."""

from __future__ import annotations

import binascii
import re
from typing import TYPE_CHECKING, Final

from pinnace.config.types import DESTINATION
from pinnace.gateway import Rule
from pinnace_core.tuples import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

NAME: Final = "egress.log"
_CUT_OFF: Final = "egress.log.1"
_MOST_NAMED: Final = 5
_ACCOUNT: Final = r"Basic%20([A-Za-z0-9+/=]+)"
_REFUSED: Final = 403
_MOST_BYTES: Final = 32 << 20
# What Claude Code asks for by itself, and goes on without: nobody has to be told.
# Its vendor's other hosts, as those of the documentation, are what an agent asks for.
_QUIET: Final = (
    *("api.anthropic.com", "mcp-proxy.anthropic.com", "statsig.anthropic.com"),
    *("claude.ai", "downloads.claude.ai", "platform.claude.com", "console.anthropic.com"),
)
_QUIET_BELOW: Final = (".datadoghq.com", ".sentry.io")


class Entry(NamedTuple):
    """A request.

    Attributes:
        when: it ended, seconds since 1970.
        launch: name of the container that says it asked; empty: it did not say.
        host: that was asked for.
        port: of it.
        status: HTTP's.
    """

    when: float
    launch: str
    host: str
    port: int
    status: int

    @property
    def is_refused(self) -> bool:
        """Whether the gateway did not let it through."""
        return self.status == _REFUSED

    @property
    def is_quiet(self) -> bool:
        """Whether Claude Code asked by itself."""
        return self.host in _QUIET or self.host.endswith(_QUIET_BELOW)


def parse(line: str) -> Entry | None:
    """Read a line; None if it is none."""
    fields = line.split(" ")
    try:
        when, account, _, host, port, status = fields[:6]
        return Entry(float(when), _launch(account), _printable(host), int(port), int(status))
    except (ValueError, IndexError):
        return None


def _launch(account: str) -> str:
    """Return the name in a proxy's credentials; a program may send whatever it wants."""
    found = re.fullmatch(_ACCOUNT, account)
    if found is None:
        return ""
    try:
        name = binascii.a2b_base64(found[1]).partition(b":")[0]
    except binascii.Error:
        return ""
    return _printable(name.decode(errors="replace"))


def _printable(text: str) -> str:
    return "".join(c if c.isprintable() and c.isascii() else "?" for c in text)[:255]


def size(logs: Path) -> int:
    """Return how much is written; 0 if nothing is."""
    try:
        return (logs / NAME).stat().st_size
    except OSError:
        return 0


def entries(logs: Path, *, after: int = 0, earlier: bool = False) -> Iterator[Entry]:
    """Read what was written after so many bytes; all of it if it was cut off meanwhile.

    Args:
        logs: the directory.
        after: how many.
        earlier: what was cut off comes first.
    """
    if earlier:
        yield from _parsed(logs / _CUT_OFF)
    yield from _parsed(logs / NAME, after if after <= size(logs) else 0)


def _parsed(path: Path, after: int = 0) -> Iterator[Entry]:
    try:
        with path.open("rb") as stream:
            stream.seek(after)
            text = stream.read(_MOST_BYTES).decode(errors="replace")
    except OSError:
        return
    yield from filter(None, map(parse, text.splitlines()))


def told(logs: Path, *, after: int, launch: str) -> str:
    """Say what a launch was refused, and what would allow it; empty: nothing."""
    from collections import Counter

    found: Counter[str] = Counter(
        str(Rule(entry.host, entry.port))
        for entry in entries(logs, after=after)
        if entry.is_refused and not entry.is_quiet and entry.launch in {"", launch}
    )
    if not found:
        return ""
    names = [name for name, _ in found.most_common(_MOST_NAMED)]
    more = f" and {len(found) - len(names)} more" if len(found) > len(names) else ""
    count = f"{found.total()} request{'s' if found.total() > 1 else ''}"
    return (
        f"the gateway refused {count}, to {', '.join(names)}{more}; "
        f"{_advice(names)}all of them: pinnace network log"
    )


def _advice(names: Sequence[str]) -> str:
    """Return the command that allows the first: an address is none, nor is what a shell would run.

    Whoever asked chose the name; whoever reads this may copy the line.
    """
    good = [name for name in names if re.fullmatch(DESTINATION, name, re.ASCII)]
    return f"to allow: pinnace network allow {good[0]}; " if good else ""
