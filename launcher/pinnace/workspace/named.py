"""What else git and Claude would run here: files of the project that their configuration names.

https://git-scm.com/docs/git-config: `core.hooksPath`, `include.path`, and any value that is, or
begins with, a program. Of Claude's, commands of hooks, servers and helpers, with their arguments.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Final

from pinnace.workspace import git, listed
from pinnace.workspace.rules import Rule
from pinnace_core.files import read_untrusted

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pinnace_core.host import HostFacts

_MOST_VALUES: Final = 500
_MOST_FILES: Final = 200
_PROGRAM: Final = Rule("git", "runs it, as its configuration says")
# What they name is no program.
_OTHERS: Final = ("branch.", "remote.", "user.", "submodule.", "url.", "safe.", "init.", "color.")

_OF_CLAUDE: Final = (".claude/settings.json", ".claude/settings.local.json", ".mcp.json")
_MOST_BYTES: Final = 1 << 20
_MOST_WORDS: Final = 20
# https://code.claude.com/docs/en/settings: what holds a command, or a part of one.
_COMMANDS: Final = frozenset(
    {
        *("command", "args", "apiKeyHelper", "otelHeadersHelper", "proxyAuthHelper"),
        *("awsAuthRefresh", "awsCredentialExport", "gcpAuthRefresh", "headersHelper"),
    }
)
_HERE: Final = ("$CLAUDE_PROJECT_DIR/", "${CLAUDE_PROJECT_DIR}/")


def paths(root: str, facts: HostFacts) -> dict[str, Rule]:
    """Return files of a workspace that git's or Claude's configuration names there, with why."""
    return {**dict(_of_claude(root, facts.home)), **_of_git(root, facts)}


def _of_claude(root: str, home: str) -> Iterator[tuple[str, Rule]]:
    for name in _OF_CLAUDE:
        try:
            document = json.loads(read_untrusted(Path(root, name), most=_MOST_BYTES))
        except (OSError, ValueError, RecursionError):
            continue
        for text in _commands(document):
            for word in text.replace('"', "").replace("'", "").split()[:_MOST_WORDS]:
                path = _place(root, _below(word), home)
                if _is_inside(path, root) and os.path.isfile(path):  # noqa: PTH113 (may be many)
                    yield path, listed.CLAUDE_HOOKS


def _below(word: str) -> str:
    begins = next((here for here in _HERE if word.startswith(here)), "")
    return word.removeprefix(begins).strip("`();&|")


def _commands(document: object) -> Iterator[str]:
    """Return the texts that are, or are a part of, a command."""
    waiting, texts = [(document, False)], 0
    while waiting and texts < _MOST_VALUES:
        found, counts = waiting.pop()
        if isinstance(found, dict):
            waiting += [(value, counts or name in _COMMANDS) for name, value in found.items()]
        elif isinstance(found, list):
            waiting += [(value, counts) for value in found]
        elif counts and isinstance(found, str) and "\0" not in found:
            texts += 1
            yield found


def _of_git(root: str, facts: HostFacts) -> dict[str, Rule]:
    if not os.path.lexists(f"{root}/.git"):
        return {}
    output = git.answer(("config", "--list", "--show-origin", "--null"), facts, root)
    fields = (output or "").split("\0")
    pairs = [(fields[i], fields[i + 1]) for i in range(0, len(fields) - 2, 2)]
    found: dict[str, Rule] = {}
    for origin, pair in pairs[:_MOST_VALUES]:
        key, _, value = pair.partition("\n")
        if value and not key.startswith(_OTHERS) and not origin.startswith("command line:"):
            found |= dict(_of_value(root, origin.removeprefix("file:"), key, value, facts.home))
    return found


def _of_value(
    root: str, origin: str, key: str, value: str, home: str
) -> Iterator[tuple[str, Rule]]:
    if key == "core.hookspath":
        directory = _place(root, value, home)
        if _is_inside(directory, root) and not directory.startswith(f"{root}/.git/"):
            yield from ((path, listed.HOOK) for path in _files(directory))
    elif key.startswith(("include.", "includeif.")) and key.endswith(".path"):
        base = os.path.dirname(os.path.join(root, origin))  # noqa: PTH118, PTH120
        path = _place(base, value, home)
        if _is_inside(path, root):
            yield path, listed.GIT_CONFIG
    else:
        for word in value.lstrip("!").split()[:20]:
            path = _place(root, word.strip("'\"`();"), home)
            if ("/" in word or word == value) and _is_inside(path, root) and os.path.isfile(path):  # noqa: PTH113
                yield path, _PROGRAM


def _place(base: str, text: str, home: str) -> str:
    text = f"{home}{text[1:]}" if text.startswith("~/") else text
    return os.path.normpath(os.path.join(base, text))  # noqa: PTH118


def _is_inside(path: str, root: str) -> bool:
    return path.startswith(f"{root}/")


def _files(directory: str) -> list[str]:
    try:
        listed = sorted(os.listdir(directory))  # noqa: PTH208
    except OSError:
        return []
    return [f"{directory}/{name}" for name in listed[:_MOST_FILES]]
