"""A client that wraps its own Claude: the path of that comes first, and is left out.

VS Code's `claudeProcessWrapper` and the CLI's CLAUDE_CODE_PROCESS_WRAPPER call what they name with
the command that they would have run: a native binary, or Node with a `cli.js`.
https://code.claude.com/docs/en/corporate-launcher
"""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

_BINARY: Final = re.compile(r"claude(-[a-z0-9_-]+)?(\.exe)?", re.IGNORECASE)
_SCRIPTS: Final = ("cli.js", "cli.mjs")
_PACKAGE: Final = "package.json"
_NAMED: Final = re.compile(r"(@anthropic-ai/)?claude-code(-[a-z0-9-]+)?")
# The SDK for TypeScript tells which Claude it brings; that lies in a package beside it.
_SDK: Final = "claude-agent-sdk"
_BROUGHT: Final = "claudeCodeVersion"
_NUMBER: Final = re.compile(r"\d+\.\d+\.\d+")
_LEVELS: Final = 4
_MOST_BYTES: Final = 1 << 20


def without_binary(arguments: Sequence[str]) -> list[str]:
    """Return the arguments that are for Claude."""
    return list(arguments[_length(arguments) :])


def _length(arguments: Sequence[str]) -> int:
    """Return how many words name a program that is there already."""
    first = arguments[0] if arguments else ""
    if not _is_file(first):
        return 0
    if _BINARY.fullmatch(_name(first)):
        return 1
    # Whatever runs scripts: node, bun, an editor that stands in for them; and its own options.
    count = next((i for i, word in enumerate(arguments[1:], 1) if not word.startswith("-")), 0)
    script = arguments[count] if count else ""
    return count + 1 if _is_file(script) and _name(script) in _SCRIPTS else 0


def version_of(arguments: Sequence[str], passed: Sequence[str]) -> str:
    """Return the version of the program that was left out; empty if nothing says which.

    Args:
        arguments: all of them.
        passed: those that are for Claude.
    """
    count = len(arguments) - len(passed)
    if not count:
        return ""
    place = Path(os.path.realpath(arguments[count - 1])).parent
    for directory in (place, *place.parents[:_LEVELS], place.parent / _SDK):
        found = _stated(directory / _PACKAGE)
        if found:
            return found
    return ""


def _stated(path: Path) -> str:
    """Return the version of Claude Code in the description of a package, if it says one."""
    try:
        with path.open("rb") as stream:
            document = json.loads(stream.read(_MOST_BYTES))
        name, sdk = document["name"], document["name"].endswith(f"/{_SDK}")
        version = document[_BROUGHT if sdk else "version"]
        fits = (sdk or _NAMED.fullmatch(name)) and _NUMBER.fullmatch(version)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return ""
    return str(version) if fits else ""


def _is_file(path: str) -> bool:
    return os.path.isabs(path) and os.path.isfile(path)  # noqa: PTH113, PTH117 (every launch)


def _name(path: str) -> str:
    return os.path.basename(path)  # noqa: PTH119 (every launch)
