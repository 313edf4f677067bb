"""What the user wants Claude to know in all projects: read-only inside, fresh at each launch.

Of the profile; on request, parts of the host's own `~/.claude` in its place. Each part is mounted
over a file or directory of that name in the project's config directory, also where the user has
none: else an agent could leave one for the next launch.
https://code.claude.com/docs/en/settings, https://code.claude.com/docs/en/claude-directory
"""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from pinnace.agent import user_settings
from pinnace.config.types import is_secret_name
from pinnace_core.container import Mount
from pinnace_core.errors import BadClaudeConfigError
from pinnace_core.files import cannot_write, make_directory, read_untrusted, write_atomic
from pinnace_core.tuples import NamedTuple
from pinnace_images import contract

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from pinnace_core.host import HostFacts

MEMORY: Final = "CLAUDE.md"
SETTINGS: Final = "settings.json"
SERVERS: Final = "mcp.json"
"""The user's MCP servers, in a profile: as in a project's .mcp.json."""
_PLUGINS: Final = "plugins"
ALWAYS: Final = (
    *(MEMORY, "agents", "commands", "hooks", "output-styles", "rules", "skills", "workflows"),
)
PARTS: Final = (*ALWAYS, _PLUGINS)
"""What is mounted; the first is a file, all else are directories."""
_MOST_BYTES: Final = 8 << 20
_HOSTS: Final = ".claude"
_MOVED_BY: Final = "CLAUDE_CONFIG_DIR"


class Part(NamedTuple):
    """A part, by its name, and where it lies on the host."""

    name: str
    source: Path

    @property
    def mount(self) -> Mount:
        """How it goes in."""
        # A link of the user's own, to where his dotfiles are, say.
        source = os.path.realpath(self.source) if os.path.islink(self.source) else self.source  # noqa: PTH114 (every launch)
        return Mount(str(source), f"{contract.CONFIG_DIR}/{self.name}", read_only=True)

    @property
    def is_file(self) -> bool:
        """Whether it is a file; else it is a directory."""
        return self.name == MEMORY


def hosts_own(facts: HostFacts) -> Path:
    """Return the config directory of the Claude of this machine."""
    moved = facts.environment.get(_MOVED_BY, "")
    return Path(moved) if os.path.isabs(moved) else Path(facts.home, _HOSTS)  # noqa: PTH117


def parts(profile: Path, hosts: Path, named: Iterable[str]) -> list[Part]:
    """Return what goes in.

    Args:
        profile: the directory of the profile.
        hosts: the config directory of the Claude of this machine.
        named: the parts that come from there.

    Raises:
        BadClaudeConfigError: one is no file, or no directory, where it should be.
    """
    theirs = set(named)
    found = [Part(name, (hosts if name in theirs else profile) / name) for name in PARTS]
    return [part for part in found if _is_there(part) or _is_made(part, theirs)]


def _is_there(part: Part) -> bool:
    try:
        mode = part.source.stat().st_mode
    except OSError:
        if part.source.is_symlink():
            raise _wrong(part) from None
        return False
    if not (stat.S_ISREG(mode) if part.is_file else stat.S_ISDIR(mode)):
        raise _wrong(part)
    # Without plugins, each project may have its own.
    return part.name != _PLUGINS or any(part.source.iterdir())


def _is_made(part: Part, theirs: set[str]) -> bool:
    """Return whether it is made, empty, where it is missing."""
    return part.name in ALWAYS and part.name not in theirs


def _wrong(part: Part) -> BadClaudeConfigError:
    kind = "a file" if part.is_file else "a directory"
    return BadClaudeConfigError(
        f"'{part.source}' is not {kind}", hint="make it one, or move it away"
    )


def absent(found: Iterable[Part], hosts: Path, named: Iterable[str]) -> tuple[str, ...]:
    """Say which parts of the host's own were asked for and are not there."""
    there = {part.name for part in found}
    lost = [name for name in named if name in PARTS and name not in there]
    return tuple(f"'{hosts / name}' is not there: Claude goes without" for name in lost)


def missing(part: Part) -> bool:
    """Return whether a part has to be made."""
    return not os.path.lexists(part.source)


def make(part: Part) -> None:
    """Make a part, empty.

    Raises:
        CannotWriteError: it cannot be made.
    """
    if part.is_file:
        write_atomic(part.source, b"")
    else:
        make_directory(part.source)


def obstructed(config: Path, found: Iterable[Part]) -> list[Part]:
    """Return the parts that have no place yet in a config directory to be mounted over.

    An agent may have put something else there: a link, say, that leads the engine elsewhere.
    """
    return [part for part in found if not fits(config / part.name, part)]


def fits(path: Path, part: Part) -> bool:
    """Return whether what is in a place is of a part's kind, and no link."""
    try:
        mode = path.lstat().st_mode
    except OSError:
        return False
    return stat.S_ISREG(mode) if part.is_file else stat.S_ISDIR(mode)


def make_place(config: Path, part: Part) -> None:
    """Make what a part is mounted over; what is in its place is put aside, not lost.

    Raises:
        CannotWriteError: it cannot be made.
    """
    path = config / part.name
    put_aside(path)
    try:
        if part.is_file:
            write_atomic(path, b"", mode=0o600)
        else:
            path.mkdir(mode=0o700)
    except OSError as error:
        raise cannot_write(path, error) from error


def put_aside(path: Path) -> Path | None:
    """Give what is in a place another name, whatever it is; return that name.

    Raises:
        CannotWriteError: it cannot be renamed.
    """
    if not os.path.lexists(path):
        return None
    aside = path.with_name(f"{path.name}.aside-{os.urandom(3).hex()}")
    try:
        path.rename(aside)
    except OSError as error:
        raise cannot_write(path, error) from error
    return aside


def settings(profile: Path, hosts: Path, named: Iterable[str]) -> dict[str, Any]:
    """Return the user's settings: those of the profile, on top of what the host's own may add.

    Raises:
        BadClaudeConfigError: a file is not JSON.
    """
    users = _document(profile / SETTINGS)
    if SETTINGS not in named:
        return users
    return user_settings.applied(dict(_harmless(_document(hosts / SETTINGS))), users)


def servers(profile: Path) -> dict[str, Any]:
    """Return the user's MCP servers.

    Raises:
        BadClaudeConfigError: the file is not JSON.
    """
    found = _document(profile / SERVERS).get("mcpServers", {})
    if not isinstance(found, dict):
        raise _not_json(profile / SERVERS)
    return found


def _harmless(theirs: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Leave out what runs programs of the host's, which are not inside, and what is secret."""
    for name, value in theirs.items():
        if name == "env" and isinstance(value, dict):
            yield name, {n: v for n, v in value.items() if not is_secret_name(n)}
        elif not user_settings.asks(name) or name == "permissions":
            yield name, value


def _document(path: Path) -> dict[str, Any]:
    try:
        document = json.loads(read_untrusted(path.resolve(), most=_MOST_BYTES) or b"{}")
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, RecursionError):
        raise _not_json(path) from None
    if not isinstance(document, dict):
        raise _not_json(path)
    return document


def _not_json(path: Path) -> BadClaudeConfigError:
    return BadClaudeConfigError(f"'{path}' is not a JSON object", hint="mend it, or move it away")
