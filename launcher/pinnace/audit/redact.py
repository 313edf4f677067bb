"""Arguments, without what may be a secret: what is recorded is on a list, all else is counted.

A prompt may hold anything, and so may a command's arguments: of these, only the length is kept.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from pinnace.agent.arguments import COMMANDS, OPTIONS, is_option, read
from pinnace.config.types import is_secret_name

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

HIDDEN: Final = "***"
# Options whose values say what was allowed or chosen, in words that are no secrets.
_SHOWN: Final = frozenset(
    {
        *("--add-dir", "--effort", "--fallback-model", "--input-format", "--max-budget-usd"),
        *("--max-turns", "--model", "--output-format", "--permission-mode", "--resume", "-r"),
        *("--session-id", "--setting-sources"),
    }
)
# Rules may hold whole commands: `Bash(curl -H ...)`.
_RULES: Final = frozenset(
    {"--allowedTools", "--allowed-tools", "--disallowedTools", "--disallowed-tools", "--tools"}
)
_PLAIN: Final = r"[\w./@:~+,=\[\]-]{1,300}"
_RULE: Final = r"([A-Za-z_*][\w*]{0,99})(\(.*\))?"
_SESSION: Final = r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"
# What keys begin with, and what is too long and mixed to be a word.
_KEY_LIKE: Final = (
    r"(?:sk-|gh[oprsu]_|github_pat_|glpat-|xox[abeprs]-|AKIA|ASIA|AIza|eyJ|npm_|pypi-|hf_)[\w.+=-]*"
    r"|(?=[A-Za-z_]*[0-9])[A-Za-z0-9_+=]{24,}|[A-Za-z0-9+=]{40,}"
)
_SHORTEST: Final = 6
# Short words of these are no keys: no pattern has to be compiled for most launches.
_WORD: Final = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789./-")
_LONGEST_WORD: Final = 20
_NO_WORD: Final = ("sk-", "AKIA", "ASIA", "AIza", "eyJ", "glpat-", "pypi-", "xox")


def claude_arguments(arguments: Sequence[str], environment: Mapping[str, str]) -> list[str]:
    """Return Claude's arguments as they are recorded.

    Args:
        arguments: as they were given.
        environment: whose secrets are none of the record's.
    """
    secrets = _secrets(environment)
    found: list[str] = []
    for place, word in enumerate(read(arguments)):
        if not word.option:
            first = word.words[0]
            known = place == 0 and first in COMMANDS
            found.append(first if known else _counted(first))
            continue
        name, _, given = word.words[0].partition("=")
        values = [given, *word.words[1:]] if "=" in word.words[0] else list(word.words[1:])
        found.append(name if _is_known(name) else f"{name[:2]}{HIDDEN}")
        found += _values(name, values, secrets)
    return found


def _is_known(name: str) -> bool:
    letters = name[1:]
    return name in OPTIONS or (
        is_option(name)
        and not name.startswith("--")
        and all(OPTIONS.get(f"-{letter}") == "none" for letter in letters)
    )


def _values(name: str, values: Iterable[str], secrets: Sequence[str]) -> Iterator[str]:
    for value in values:
        if name in _RULES:
            yield from (_rule(rule) for rule in re.split(r"[, ]+(?![^(]*\))", value))
        elif name in _SHOWN and _is_plain(value, secrets):
            yield value
        else:
            yield HIDDEN


def _rule(text: str) -> str:
    """Keep the tool's name alone."""
    found = re.fullmatch(_RULE, text, re.ASCII | re.DOTALL)
    if found is None or re.search(_KEY_LIKE, found[1]):
        return HIDDEN
    return f"{found[1]}({HIDDEN})" if found[2] else found[1]


def _is_plain(value: str, secrets: Sequence[str]) -> bool:
    if any(secret in value for secret in secrets):
        return False
    if len(value) <= _LONGEST_WORD and _WORD.issuperset(value):
        return bool(value) and not any(begin in value for begin in _NO_WORD)
    if re.fullmatch(_SESSION, value):
        return True
    return bool(re.fullmatch(_PLAIN, value, re.ASCII)) and not re.search(_KEY_LIKE, value)


def command(words: Sequence[str], environment: Mapping[str, str]) -> dict[str, object]:
    """Return a command as it is recorded: the program, and how many arguments it has."""
    program = words[0] if words else ""
    shown = program if _is_plain(program, _secrets(environment)) else HIDDEN
    return {"program": shown, "arguments": max(0, len(words) - 1)}


def text(value: str) -> str:
    """Return a text without what looks like a key, for showing what is not recorded."""
    return re.sub(_KEY_LIKE, HIDDEN, value)


def _secrets(environment: Mapping[str, str]) -> list[str]:
    return [v for n, v in environment.items() if len(v) >= _SHORTEST and is_secret_name(n)]


def _counted(word: str) -> str:
    return f"<text, {len(word)} characters>"
