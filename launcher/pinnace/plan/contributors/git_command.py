"""Ask the host's git about its configuration: nobody else reads that format as it does."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from pinnace_core.host import HostFacts

_SECONDS: Final = 10.0
# Nothing in the environment may turn the question into another one.
_OF_A_REPOSITORY: Final = ("GIT_DIR", "GIT_WORK_TREE", "GIT_COMMON_DIR", "GIT_INDEX_FILE")
_OVERRIDES: Final = ("GIT_CONFIG_COUNT", "GIT_CONFIG_PARAMETERS", "GIT_CONFIG", "GIT_TRACE")


class Entry(NamedTuple):
    """A line of a configuration.

    Attributes:
        scope: `global` is the user's.
        origin: the file it stands in.
        key: section and name in lower case, the part between as it is written.
        value: None where only the name stands there, which means true.
    """

    scope: str
    origin: str
    key: str
    value: str | None


def value(file: Path, key: str, facts: HostFacts) -> str:
    """Read one value of one file, includes not followed; empty: not there, or no git here."""
    arguments = ("config", "--file", str(file), "--no-includes", "--null", "--get", key)
    output = _run(arguments, facts, directory="/" if facts.os != "windows" else facts.home)
    return (output or "").removesuffix("\0")


def entries(directory: str, facts: HostFacts) -> list[Entry] | None:
    """List all that counts in a directory, in order, includes followed; None: git cannot say.

    Only reads: `git config` starts no program that a repository names, and without a terminal no
    pager.
    """
    output = _run(("config", "--list", "--show-scope", "--show-origin", "--null"), facts, directory)
    if output is None:
        return None
    # Three fields for each: scope, origin, and key and value with a newline between.
    fields = output.split("\0")
    return [_entry(fields[i : i + 3]) for i in range(0, len(fields) - 2, 3)]


def _entry(fields: Sequence[str]) -> Entry:
    scope, origin, pair = fields
    key, equals, text = pair.partition("\n")
    return Entry(scope, origin.removeprefix("file:"), key, text if equals else None)


def _run(arguments: Sequence[str], facts: HostFacts, directory: str) -> str | None:
    import subprocess

    dropped = (*_OF_A_REPOSITORY, *_OVERRIDES)
    kept = {name: text for name, text in facts.environment.items() if name not in dropped}
    try:
        done = subprocess.run(
            ["git", *arguments],
            check=False,
            capture_output=True,
            cwd=directory,
            encoding="utf-8",
            env={**kept, "GIT_OPTIONAL_LOCKS": "0"},
            errors="surrogateescape",
            stdin=subprocess.DEVNULL,
            timeout=_SECONDS,
        )
    except (OSError, ValueError, subprocess.TimeoutExpired):
        return None
    return done.stdout if done.returncode == 0 else None
