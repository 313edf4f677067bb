"""Read a settings file's TOML; imported only where there is one.

Lines are looked for when something is wrong, and not before: the parser does not keep them.
"""

from __future__ import annotations

import re
import tomllib
from typing import TYPE_CHECKING, Any, Final

from pinnace.config.levels import TABLE
from pinnace.config.schema import BY_NAME
from pinnace_core.errors import BadSettingsError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_AT: Final = re.compile(r" ?\(at line (\d+), column \d+\)$")
_HINT: Final = "mend it; for the keys: pinnace help settings"
_TABLE: Final = re.compile(r"\s*\[\[?([^\[\]]+)\]\]?\s*(#.*)?")
_ASSIGNMENT: Final = re.compile(r"""\s*([A-Za-z0-9_."'\s-]+?)\s*=""")
_SHOWN: Final = 40


def values(path: str, data: bytes, *, prefix: str = "", own: bool = False) -> dict[str, object]:
    """Return the file's settings by their names (`run.memory`), as TOML has them.

    Args:
        path: for errors.
        data: the file's content.
        prefix: the table that they are in (`tool.pinnace`); empty: the whole file.
        own: it is the user's own file, where levels of isolation may stand, too: see `levels`.

    Raises:
        BadSettingsError: not TOML, or a key that is not known.
    """
    document = _document(path, data)
    for name in filter(None, prefix.split(".")):
        document = document.get(name, {}) if isinstance(document, dict) else {}
    if not isinstance(document, dict):
        raise problem(path, data, prefix, "expected a table", prefix=prefix)
    if own:
        document.pop(TABLE, None)
    elif TABLE in document:
        said = "levels of isolation are made in your own settings file alone"
        raise problem(path, data, TABLE, said, prefix=prefix)
    found = dict(_flat(path, data, document, prefix))
    for name in () if own else found:
        if BY_NAME[name].own:
            said = f"{name} stands in your own settings file alone"
            raise problem(path, data, name, said, prefix=prefix)
    return found


def levels(path: str, data: bytes) -> dict[str, object]:
    """Return the tables of levels in the user's own file, as TOML has them.

    Raises:
        BadSettingsError: not TOML, or no tables.
    """
    found: object = _document(path, data).get(TABLE, {})
    if not isinstance(found, dict):
        raise problem(path, data, TABLE, f"'{TABLE}' is a table of levels")
    return found


def _document(path: str, data: bytes) -> Any:  # noqa: ANN401 (TOML)
    try:
        return tomllib.loads(_text(path, data))
    except tomllib.TOMLDecodeError as error:
        found = _AT.search(str(error))
        line = f":{found[1]}" if found else ""
        raise BadSettingsError(
            f"{path}{line}: not TOML: {_AT.sub('', str(error))}", hint=_HINT
        ) from error
    except (ValueError, RecursionError) as error:
        # A number of thousands of digits, or thousands of brackets.
        raise BadSettingsError(f"{path}: not sensible TOML", hint=_HINT) from error


def _text(path: str, data: bytes) -> str:
    try:
        return data.decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise BadSettingsError(f"{path}:{line}: not text in UTF-8", hint=_HINT) from error


def _flat(
    path: str, data: bytes, document: Mapping[str, Any], prefix: str
) -> Iterator[tuple[str, object]]:
    from pinnace_core.errors import perhaps

    tables = {name.partition(".")[0] for name in BY_NAME}
    for table, content in document.items():
        if table not in tables:
            said = f"there is no table '{_shown(table)}'{perhaps(table, tables)}"
            raise problem(path, data, table, said, prefix=prefix)
        if not isinstance(content, dict):
            raise problem(path, data, table, f"'{table}' is a table", prefix=prefix)
        known = {name.partition(".")[2] for name in BY_NAME if name.startswith(f"{table}.")}
        for key, value in content.items():
            name = f"{table}.{key}"
            if key not in known:
                said = f"there is no '{_shown(name)}'{perhaps(key, known)}"
                raise problem(path, data, name, said, prefix=prefix)
            yield name, value


def _shown(text: str) -> str:
    return text[:_SHOWN].encode("unicode_escape").decode()


def problem(
    path: str, data: bytes, name: str, message: str, *, prefix: str = ""
) -> BadSettingsError:
    """Return an error that names file and line of a setting."""
    line = line_of(data, f"{prefix}.{name}" if prefix and name != prefix else name)
    return BadSettingsError(f"{path}{f':{line}' if line else ''}: {message}", hint=_HINT)


def line_of(data: bytes, name: str) -> int | None:
    """Return the line that a key or table stands on, counted from 1, as well as it can be told."""
    table = ""
    for number, line in enumerate(data.decode(errors="replace").splitlines(), start=1):
        header = _TABLE.fullmatch(line)
        if header:
            table = _plain(header[1])
            if table == name or table.startswith(f"{name}."):
                return number
            continue
        assigned = _ASSIGNMENT.match(line)
        full = ".".join(filter(None, (table, _plain(assigned[1])))) if assigned else ""
        # A table may stand on one line: `run = { memory = "4g" }`.
        if full and (f"{full}.".startswith(f"{name}.") or _is_inline(line, full, name)):
            return number
    return None


def _is_inline(line: str, full: str, name: str) -> bool:
    last = re.escape(name.rpartition(".")[2])
    return name.startswith(f"{full}.") and bool(re.search(rf"[{{,]\s*{last}\s*=", line))


def _plain(dotted: str) -> str:
    return ".".join(part.strip().strip("\"'") for part in dotted.split("."))
