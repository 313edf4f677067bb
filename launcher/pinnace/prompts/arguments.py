"""A prompt's options as Claude's arguments: what the command says itself counts for more."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping

    from pinnace.prompts import Prompt

SCHEMA: Final = "--json-schema"
# By the name of an option, what it is called in an argument; the first is what is passed.
SPELLINGS: Final = {
    "system": ("--system-prompt-file", "--system-prompt"),
    "append_system": ("--append-system-prompt-file", "--append-system-prompt"),
    "tools": ("--allowedTools", "--allowed-tools"),
    "disallowed_tools": ("--disallowedTools", "--disallowed-tools"),
    "mcp_servers": ("--mcp-config",),
    "permission_mode": ("--permission-mode", "--dangerously-skip-permissions"),
    "permission_prompt_tool": ("--permission-prompt-tool",),
    "model": ("--model",),
    "effort": ("--effort",),
    "max_turns": ("--max-turns",),
    "budget_usd": ("--max-budget-usd",),
}
# They may be of any length: an argument ends at 128 KiB on Linux, at 32 KiB on Windows.
_FILES: Final = {
    "system": "system.md",
    "append_system": "append-system.md",
    "mcp_servers": "mcp.json",
}
_LISTS: Final = ("tools", "disallowed_tools")


def of_options(
    prompt: Prompt, given: Collection[str], place: Callable[[str], str]
) -> Iterator[str]:
    """Yield an argument for each option that the command does not give itself.

    Args:
        prompt: what it says.
        given: the options that the command names.
        place: where a file is inside, by its name.
    """
    for name, value in prompt.options.items():
        if set(SPELLINGS[name]) & set(given):
            continue
        text = place(_FILES[name]) if name in _FILES else _text(name, value)
        # In one word: an option that takes several would take the prompt as well.
        yield f"{SPELLINGS[name][0]}={text}"


def _text(name: str, value: object) -> str:
    if name in _LISTS and isinstance(value, list):
        return ",".join(value)
    return str(value)


def files(prompt: Prompt) -> dict[str, str]:
    """Return what stands in files, by their names."""
    found = {name: prompt.options[key] for key, name in _FILES.items() if key in prompt.options}
    servers = found.get(_FILES["mcp_servers"])
    if servers is not None:
        found[_FILES["mcp_servers"]] = json.dumps({"mcpServers": servers})
    return found


def of_schema(schema: Mapping[str, Any]) -> str:
    """Return the argument that has Claude answer as a schema says."""
    return f"{SCHEMA}={json.dumps(schema)}"
