"""Pins in the files of other tools: mise, asdf, and npm's package.json.

What pins the CLI there counts, or is an error with the way out; it is never passed over.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from pinnace.config import files as project_files
from pinnace.config import project
from pinnace_core.errors import BadPinError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

_PACKAGE: Final = f"npm:{project.CLI_PACKAGE}"
_TOOLS: Final = ("claude-code", "claude", _PACKAGE)
# https://mise.jdx.dev/configuration.html#mise-toml: the first one that is there counts for more.
_MISE_FILES: Final = (
    *("mise.local.toml", ".mise.local.toml", "mise.toml", ".mise.toml", "mise/config.toml"),
    *(".mise/config.toml", ".config/mise.toml", ".config/mise/config.toml"),
)
NAMES: Final = frozenset(
    {project.TOOL_VERSIONS, project.PACKAGE_JSON, *(Path(name).name for name in _MISE_FILES)}
)
# https://asdf-vm.com/manage/versions.html, https://mise.jdx.dev/dev-tools: a line of versions.
_LINES: Final = ("latest:", "prefix:")
_DEPENDENCIES: Final = ("dependencies", "devDependencies", "optionalDependencies")
# npm takes it for any version: https://docs.npmjs.com/cli/configuring-npm/package-json
_ANY: Final = "*"


def of_tools(directory: Path, owners: Collection[int] | None) -> Iterator[tuple[Path, str]]:
    """Yield a directory's pins of mise and asdf: file, and what it says.

    Args:
        directory: which.
        owners: whose files count; None: anybody's.

    Raises:
        BadPinError: a file that may hold one cannot be read.
    """
    for name in _MISE_FILES:
        path = directory / name
        data = _read(path, owners)
        if b"claude" in data:
            yield from ((path, _of_a_line(text)) for text in _in_mise(path, data))
    path = directory / project.TOOL_VERSIONS
    for line in _read(path, owners).decode(errors="replace").splitlines():
        words = line.partition("#")[0].split()
        if words and words[0] in _TOOLS:
            yield path, _of_a_line(words[1] if words[1:] else "")


def _in_mise(path: Path, data: bytes) -> Iterator[str]:
    """Read `[tools]`: a version, several, or a table with one."""
    import tomllib

    try:
        tools = tomllib.loads(data.decode("utf-8-sig")).get("tools")
    except (ValueError, RecursionError) as error:
        raise BadPinError(
            f"'{path}' is not TOML: {error}", hint="mend it, or pin elsewhere: pinnace pin VERSION"
        ) from error
    for name, asked in tools.items() if isinstance(tools, dict) else ():
        if name in _TOOLS:
            first = asked[0] if isinstance(asked, list) and asked else asked
            yield str(first.get("version", "") if isinstance(first, dict) else first)


def _of_a_line(text: str) -> str:
    """Return `2.1` of `latest:2.1`."""
    start = next((start for start in _LINES if text.startswith(start)), "")
    return text.removeprefix(start)


def of_package_json(directory: Path, owners: Collection[int] | None) -> Iterator[tuple[Path, str]]:
    """Yield a package.json's dependency on the CLI's package, by whatever name.

    Raises:
        BadPinError: the file names the package, and cannot be read.
    """
    path = directory / project.PACKAGE_JSON
    data = _read(path, owners)
    if project.CLI_PACKAGE.encode() not in data:
        return
    try:
        document = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise BadPinError(
            f"'{path}' is not JSON of a sane size", hint="mend it, or pin elsewhere"
        ) from error
    for kind in _DEPENDENCIES:
        asked = document.get(kind) if isinstance(document, dict) else None
        for name, wanted in asked.items() if isinstance(asked, dict) else ():
            text = _wanted(name, wanted)
            if text is not None:
                yield path, text


def _wanted(name: str, wanted: Any) -> str | None:  # noqa: ANN401 (JSON)
    """Return which version of the CLI a dependency is, None if it is another package."""
    alias = isinstance(wanted, str) and (wanted == _PACKAGE or wanted.startswith(f"{_PACKAGE}@"))
    if alias:
        return str(wanted).removeprefix(_PACKAGE).removeprefix("@") or _ANY
    if name != project.CLI_PACKAGE:
        return None
    return str(wanted).strip() or _ANY


def _read(path: Path, owners: Collection[int] | None) -> bytes:
    return project_files.read_bytes(path, owners=owners, follow=True, foreign=True) or b""
