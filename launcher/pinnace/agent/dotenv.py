"""Read a file of NAME=VALUE lines. No message holds anything of a value."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from pinnace_core.errors import BadSecretsError, CannotReadError

if TYPE_CHECKING:
    from pathlib import Path

_MOST_BYTES: Final = 1 << 20
# The kernel takes no longer NAME=VALUE (MAX_ARG_STRLEN, with its NUL).
_MOST_OF_ONE: Final = (128 << 10) - 1
_START: Final = re.compile(r"(?:export[ \t]+)?([^=\s]*)[ \t]*=[ \t]*")
_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_SINGLE: Final = re.compile(r"'([^']*)'")
_DOUBLE: Final = re.compile(r'"((?:[^"\\]|\\.)*)"', re.DOTALL)
_PLAIN: Final = re.compile(r"([^\n]*?)(?:[ \t]+#[^\n]*)?[ \t]*(?=\n|\Z)")
_REST: Final = re.compile(r"[ \t]*(?:#[^\n]*)?(?=\n|\Z)")
_BLANK: Final = re.compile(
    r"(?:[ \t]*(?:#[^\n]*)?\n)*[ \t]*(?:#[^\n]*)?\Z|(?:[ \t]*(?:#[^\n]*)?\n)*[ \t]*"
)
_ESCAPES: Final = {"n": "\n", "r": "\r", "t": "\t"}
# Bash does not let these be set.
_OF_THE_SHELL: Final = frozenset(
    {"BASHOPTS", "BASH_VERSINFO", "EUID", "PPID", "SHELLOPTS", "UID", "_"}
)


def load(path: Path) -> dict[str, str]:
    """Read a file; a pipe, as in `<(pass show x)`, is read once.

    Raises:
        CannotReadError: there is none, or it may not be read.
        BadSecretsError: it cannot be understood.
    """
    try:
        with path.open("rb") as stream:
            data = stream.read(_MOST_BYTES + 1)
    except OSError as error:
        raise CannotReadError(
            f"cannot read the secrets in '{path}': {error.strerror or error}",
            hint="name a file of NAME=VALUE lines that you may read",
        ) from error
    if len(data) > _MOST_BYTES:
        raise BadSecretsError(f"'{path}' is larger than 1 MiB", hint="keep secrets only in it")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        # Not from the error: it holds the data.
        raise BadSecretsError(f"'{path}' is not UTF-8", hint="save it as UTF-8") from None
    return parse(text, source=str(path))


def parse(text: str, *, source: str) -> dict[str, str]:
    """Read NAME=VALUE lines: comments, `export`, and quotes as shells have them; no expansion.

    Raises:
        BadSecretsError: a line cannot be understood; its number is in the message.
    """
    text = text.replace("\r\n", "\n")
    values: dict[str, str] = {}
    position = _BLANK.match(text).end()  # type: ignore[union-attr] # (matches always)
    while position < len(text):
        line = _Line(source, text.count("\n", 0, position) + 1)
        name, position = _name(text, position, line)
        value, position = _value(text, position, line)
        if name in values:
            raise line.bad(f"{name} is there twice", "remove one of them")
        if len(f"{name}={value}".encode()) > _MOST_OF_ONE or "\0" in value:
            raise line.bad(f"{name} cannot be a variable: too long, or a NUL in it", "shorten it")
        values[name] = value
        position = _BLANK.match(text, position + 1).end()  # type: ignore[union-attr]
    return values


class _Line:
    def __init__(self, source: str, number: int) -> None:
        self._where = f"'{source}', line {number}"

    def bad(self, what: str, hint: str) -> BadSecretsError:
        return BadSecretsError(f"{self._where}: {what}", hint=hint)


def _name(text: str, position: int, line: _Line) -> tuple[str, int]:
    start = _START.match(text, position)
    if start is None:
        raise line.bad("no NAME=VALUE", "write NAME=VALUE, or '#' before a comment")
    name = start[1]
    # What is no name may be part of a value that went over the line: it is not shown.
    if not _NAME.fullmatch(name):
        raise line.bad("what stands before '=' is no variable's name", "quote values of many lines")
    if name in _OF_THE_SHELL or name.startswith("__pinnace"):
        raise line.bad(f"{name} cannot be set: the shell inside has it", "choose another name")
    return name, start.end()


def _value(text: str, position: int, line: _Line) -> tuple[str, int]:
    quote = text[position : position + 1]
    if quote not in {"'", '"'}:
        plain = _PLAIN.match(text, position)
        assert plain is not None  # noqa: S101 (it matches the empty text)
        return plain[1], plain.end()
    quoted = (_SINGLE if quote == "'" else _DOUBLE).match(text, position)
    if quoted is None:
        raise line.bad("a quote is not closed", "close it, or escape it in double quotes")
    rest = _REST.match(text, quoted.end())
    if rest is None:
        raise line.bad("something follows the closing quote", "quote the whole value")
    value = quoted[1]
    if quote == '"':
        value = re.sub(r"\\(.)", lambda m: _ESCAPES.get(m[1], m[1]), value, flags=re.DOTALL)
    return value, rest.end()
