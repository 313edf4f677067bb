"""What stands above a prompt, between two lines of `---`: the options of a call, strictly read."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from pinnace.prompts import schemas, strict_yaml, within
from pinnace.prompts.parts import FrontMatter
from pinnace_core.errors import BadPromptError, UnsafeRequestError, perhaps

if TYPE_CHECKING:
    from collections.abc import Callable

    from pinnace.prompts.strict_yaml import Document, Path, Place


_HINT: Final = "for the keys: pinnace help prompts"
SYNTAXES: Final = ("jinja", "braces")
# All of the CLI's but bypass mode.
MODES: Final = ("default", "acceptEdits", "plan", "dontAsk", "auto", "manual")
_BYPASS: Final = "bypassPermissions"
# ChannelCoder's spellings.
_SPELLED: Final = {
    "systemPrompt": "system",
    "appendSystemPrompt": "append_system",
    "allowedTools": "tools",
    "disallowedTools": "disallowed_tools",
    "mcpConfig": "mcp_config",
    "permissionPromptTool": "permission_prompt_tool",
}
# What decides what is reached, or contains Claude: never said by a file that comes with a project.
_OF_ISOLATION: Final = frozenset(
    {
        *("isolation", "network", "allow", "mounts", "mount", "ports", "services", "devices"),
        *("env", "environment", "secrets", "profile", "image", "docker", "workspace", "settings"),
        *("hooks", "dangerously_skip_permissions", "dangerouslySkipPermissions", "add_dirs"),
    }
)
_TOOL: Final = re.compile(r"[^\s,()]+(?:\([^)]*\))?")
_MOST_DOLLARS: Final = 1_000_000
_FILE: Final = re.compile(r"[^\s]+\.(?:md|txt)")


def read(head: str, name: str, directory: str) -> FrontMatter:
    """Understand the YAML.

    Args:
        head: as `split` returns it.
        name: of the file, for errors.
        directory: files that it names lie below it.

    Raises:
        BadPromptError: it is not YAML, or a key or value is not what it should be.
        UnsafeRequestError: it would weaken the isolation.
    """
    try:
        document = strict_yaml.load(head)
    except strict_yaml.YamlError as error:
        raise _problem(name, error.message, error.place, above=1) from None
    return _Reader(document, name, directory).front_matter()


class _Reader:
    def __init__(self, document: Document, name: str, directory: str) -> None:
        self._document, self._name, self._directory = document, name, directory

    def front_matter(self) -> FrontMatter:
        values = self._document.value
        if values is None:
            return FrontMatter({})
        if not isinstance(values, dict):
            raise self.bad("expected lines of 'key: value'")
        found: dict[str, Any] = {}
        for written, value in values.items():
            key = self._key(written)
            if key in found:
                raise self.bad(f"'{key}' is there twice, in two spellings", (written,))
            found[key] = _KINDS[key](self, value, (written,))
        return FrontMatter(
            {_NAMED.get(key, key): value for key, value in found.items() if key not in _OWN},
            found.get("input"),
            found.get("output"),
            found.get("session", False),
            found.get("syntax", ""),
        )

    def _key(self, written: str) -> str:
        key = _SPELLED.get(written, written)
        if key in _OF_ISOLATION:
            raise UnsafeRequestError(
                f"{self._at((written,))}: '{written}' does not stand in a prompt file",
                hint="what is reached, and what contains Claude, is said in the command or in "
                "approved settings: pinnace help settings",
            )
        if key not in _KINDS:
            raise self.bad(f"there is no '{written}'{perhaps(written, _KINDS)}", (written,))
        return key

    def bad(self, message: str, path: Path = ()) -> BadPromptError:
        """Return an error that names the place."""
        return BadPromptError(f"{self._at(path)}: {message}", hint=_HINT)

    def _at(self, path: Path) -> str:
        line, column = self._document.place(path)
        # Above it stands the line of `---`.
        return _where(self._name, (line + 1, column))

    def words(self, value: object, path: Path) -> list[str]:
        """Tools: a list, or one text as Claude's own option has it."""
        if isinstance(value, str):
            return _TOOL.findall(value)
        if not isinstance(value, list) or not all(isinstance(one, str) and one for one in value):
            raise self.bad(f"'{path[0]}' is a list of tools", path)
        return value

    def line(self, value: object, path: Path) -> str:
        """A text of one line, which is no option."""
        if not isinstance(value, str) or not value.strip() or "\n" in value or value[0] == "-":
            raise self.bad(f"'{path[0]}' is a text of one line", path)
        return value

    def prompt(self, value: object, path: Path) -> str:
        """A text, or the name of a file that holds it."""
        if not isinstance(value, str) or not value.strip():
            raise self.bad(f"'{path[0]}' is a text, or the name of a file (.md, .txt)", path)
        return self._file(value, path) if _FILE.fullmatch(value) else value

    def mode(self, value: object, path: Path) -> str:
        """A permission mode that still asks."""
        if value == _BYPASS:
            raise UnsafeRequestError(
                f"{self._at(path)}: no file chooses bypass mode",
                hint="give it yourself: pinnace run --prompt FILE --permission-mode "
                "bypassPermissions",
            )
        return self._one_of(value, path, MODES)

    def syntax(self, value: object, path: Path) -> str:
        """How values are filled in."""
        return self._one_of(value, path, SYNTAXES)

    def _one_of(self, value: object, path: Path, known: tuple[str, ...]) -> str:
        if not isinstance(value, str) or value not in known:
            guess = perhaps(value, known) if isinstance(value, str) else ""
            raise self.bad(f"'{path[0]}' is one of {', '.join(known)}{guess}", path)
        return value

    def count(self, value: object, path: Path) -> int:
        """A number of turns."""
        if not isinstance(value, int) or isinstance(value, bool) or value < 1:
            raise self.bad(f"'{path[0]}' is a number from 1 on", path)
        return value

    def amount(self, value: object, path: Path) -> float:
        """A number of dollars."""
        number = isinstance(value, (int, float)) and not isinstance(value, bool)
        if not number or not 0 < value < _MOST_DOLLARS:  # type: ignore[operator] # (a number)
            raise self.bad(f"'{path[0]}' is an amount in dollars, above 0", path)
        return value  # type: ignore[return-value] # (a number)

    def session(self, value: object, path: Path) -> bool:
        """Whether a session is needed."""
        if not isinstance(value, dict) or value.keys() - {"required"}:
            raise self.bad("'session' holds 'required: true', and nothing else", path)
        required = value.get("required", False)
        if not isinstance(required, bool):
            raise self.bad("'required' is true or false", (*path, "required"))
        return required

    def schema(self, value: object, path: Path) -> dict[str, Any]:
        """A JSON Schema, its short form, or the name of a file that holds one."""
        if isinstance(value, str):
            value = self._of_file(value, path)
        try:
            return schemas.load(value)
        except schemas.SchemaError as error:
            inner = ".".join(map(str, (*path, *error.path)))
            raise self.bad(f"'{inner}': {error.message}", (*path, *error.path)) from None

    def servers(self, value: object, path: Path) -> dict[str, Any]:
        """MCP servers, by name: as Claude's own files have them, or the name of such a file."""
        content = self._of_file(value, path) if isinstance(value, str) else value
        inner = content.get("mcpServers", content) if isinstance(content, dict) else None
        if not isinstance(inner, dict) or not all(isinstance(one, dict) for one in inner.values()):
            raise self.bad(f"'{path[0]}' holds servers by name, below 'mcpServers'", path)
        return inner

    def _of_file(self, name: str, path: Path) -> object:
        try:
            return strict_yaml.load(self._file(name, path)).value
        except strict_yaml.YamlError as error:
            raise _problem(name, error.message, error.place) from None

    def _file(self, name: str, path: Path) -> str:
        try:
            return within.read(self._directory, name)
        except BadPromptError as error:
            raise BadPromptError(f"{self._at(path)}: {error.message}", hint=error.hint) from None


def _problem(name: str, message: str, place: Place | None, *, above: int = 0) -> BadPromptError:
    at = (place[0] + above, place[1]) if place else None
    return BadPromptError(f"{_where(name, at)}: {message}", hint=_HINT)


def _where(name: str, place: Place | None) -> str:
    return f"{name}:{place[0]}:{place[1]}" if place else name


_KINDS: Final[dict[str, Callable[[_Reader, Any, Path], Any]]] = {
    "system": _Reader.prompt,
    "append_system": _Reader.prompt,
    "tools": _Reader.words,
    "disallowed_tools": _Reader.words,
    "mcp_config": _Reader.servers,
    "permission_mode": _Reader.mode,
    "permission_prompt_tool": _Reader.line,
    "model": _Reader.line,
    "effort": _Reader.line,
    "max_turns": _Reader.count,
    "budget_usd": _Reader.amount,
    "input": _Reader.schema,
    "output": _Reader.schema,
    "session": _Reader.session,
    "syntax": _Reader.syntax,
}
_OWN: Final = ("input", "output", "session", "syntax")
# In the SDK it may be a mapping as well.
_NAMED: Final = {"mcp_config": "mcp_servers"}
