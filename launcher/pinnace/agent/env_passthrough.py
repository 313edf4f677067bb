"""Which variables go in: by name only, so that no value is ever in an argument list."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pinnace_core.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_PREFIXES: Final = ("ANTHROPIC_", "CLAUDE_CODE_")
_NAMES: Final = frozenset({"TERM", "COLORTERM", "NO_COLOR", "FORCE_COLOR", "TZ"})
# Facts about a Claude that runs on the host, around us; inside they would be lies.
_OF_THE_HOST: Final = frozenset(
    {"CLAUDE_CODE_ENTRYPOINT", "CLAUDE_CODE_SSE_PORT", "CLAUDE_CODE_EXECPATH"}
)
_KEY_SUFFIX: Final = 20


def passed_names(environment: Mapping[str, str], *, extra: Iterable[str] = ()) -> tuple[str, ...]:
    """Name the variables that go in, sorted.

    Raises:
        UsageError: one of `extra` is not a variable's name, or is not set.
    """
    known = (n for n in environment if n.startswith(_PREFIXES) or n in _NAMES)
    names = {name for name in known if name.isidentifier()} - _OF_THE_HOST
    for name in extra:
        if not name.isidentifier() or name not in environment:
            raise UsageError(
                f"--env {name.partition('=')[0]}: give the name of a variable that is set",
                hint="set it first, then pass its name: values never stand in an argument list",
            )
        names.add(name)
    return tuple(sorted(names))


def key_suffix(environment: Mapping[str, str]) -> str:
    """Return what Claude remembers of an approved API key: its last 20 characters."""
    return environment.get("ANTHROPIC_API_KEY", "")[-_KEY_SUFFIX:]
