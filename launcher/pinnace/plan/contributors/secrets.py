"""Secrets from a file of NAME=VALUE lines: inside, they are files too, as long as it runs.

`docker inspect` shows a container's variables to all who may use the engine. So the values lie in
files, and a shell inside makes variables of them for Claude alone.
"""

from __future__ import annotations

import os
import re
import shutil
import stat
import sys
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

from pinnace.gateway import endpoint
from pinnace.plan import Contribution
from pinnace.plan.contributors import private_places
from pinnace.plan.resources import Resource
from pinnace.plan.variables import Variable, is_a_line
from pinnace_core.container import Mount
from pinnace_core.errors import BadSecretsError, CannotReadError, CannotWriteError, UsageError
from pinnace_core.files import make_directory

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from pinnace.plan import Inputs

INSIDE: Final = "/run/pinnace/secrets"
_LOCK_SUFFIX: Final = ".lock"
_OF_OTHERS: Final = 0o077
# Built-ins only; `read` to the first NUL keeps newlines, also at the end.
_EXPORTER: Final = (
    f'for __pinnace_file in {INSIDE}/*; do IFS= read -r -d "" __pinnace_value <"$__pinnace_file"; '
    'export "${__pinnace_file##*/}=$__pinnace_value"; done; '
    'unset __pinnace_file __pinnace_value; exec "$@"'
)
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


def contribute(inputs: Inputs) -> Contribution:
    """Hand in what the settings' file of secrets holds, and long values; sweep first.

    Raises:
        CannotReadError: there is no such file.
        BadSecretsError: it cannot be understood.
        UsageError: a variable is too long.
    """
    places = private_places(inputs.facts)
    swept = Resource(lambda _: sweep(places))
    values = _given(inputs)
    path = inputs.settings.secrets
    if path:
        values |= load(Path(path))
    if not values:
        return Contribution(resources=(swept,))
    outside = (name for name in _outside(inputs.settings.headers) if name in values)
    kept = tuple(Variable(name, "outside", values.pop(name)) for name in outside)
    found = handed_in(values, places[0], owner=owner_of_files(inputs), nonce=os.urandom(8).hex())
    return found._replace(
        variables=(*found.variables, *kept),
        notes=_notes(Path(path)) if path else (),
        resources=(swept, *found.resources),
    )


def _given(inputs: Inputs) -> dict[str, str]:
    """Return the variables with values that are no line of the file that `given` writes.

    Raises:
        UsageError: the kernel takes none of that length.
    """
    if inputs.dry_run:
        return {}
    for name, value in inputs.given.items():
        if _size(name, value) > _MOST_OF_ONE:
            raise UsageError(f"{name} is too long for a variable", hint="put it in a file")
    return {name: value for name, value in inputs.given.items() if not is_a_line(value)}


def owner_of_files(inputs: Inputs) -> tuple[int, int] | None:
    """Return who must own what is written for a launch; None: this process's user."""
    user, facts = inputs.user, inputs.facts
    return (user.uid, user.gid) if facts.uid == 0 and facts.os == "linux" else None


def _outside(headers: tuple[str, ...]) -> tuple[str, ...]:
    """Return the names of what the gateway has, and nobody inside."""
    if not headers:
        return endpoint.OUTSIDE
    from pinnace.gateway.headers import variables

    return (*endpoint.OUTSIDE, *variables(headers))


def _notes(path: Path) -> tuple[str, ...]:
    """Warn of a file that is open to others; a pipe is its maker's."""
    if sys.platform == "win32":
        return ()
    try:
        mode = path.stat().st_mode
    except OSError:  # it was read; whatever it was, it is gone
        return ()
    exposed = stat.S_ISREG(mode) and mode & _OF_OTHERS
    return (f"others can read '{path}': chmod 600 it",) if exposed else ()


def handed_in(
    values: Mapping[str, str], place: Path, *, owner: tuple[int, int] | None, nonce: str
) -> Contribution:
    """Hand in `values`.

    Args:
        values: by name.
        place: the directory for what is private to a launch; made if it is not there.
        owner: who must own the files; None: this process's user.
        nonce: makes the directory's name unique.
    """
    if not values:
        return Contribution()
    directory = place / nonce
    return Contribution(
        mounts=(Mount(str(directory), INSIDE, read_only=True),),
        variables=tuple(Variable(name, "secret", value) for name, value in sorted(values.items())),
        wrapper=("/bin/bash", "-c", _EXPORTER, "pinnace"),
        resources=(
            Resource(
                lambda _: kept_private(directory, values, owner),
                lambda: f"write secrets to '{directory}', as long as it runs",
                alone="secrets lie in files of one launch",
            ),
        ),
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
        if _size(name, value) > _MOST_OF_ONE or "\0" in value:
            raise line.bad(f"{name} cannot be a variable: too long, or a NUL in it", "shorten it")
        values[name] = value
        position = _BLANK.match(text, position + 1).end()  # type: ignore[union-attr]
    return values


def _size(name: str, value: str) -> int:
    return len(f"{name}={value}".encode(errors="surrogateescape"))


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


def sweep(places: list[Path]) -> None:
    """Remove what launches left that were killed: nobody holds their locks any more."""
    for place in places:
        with suppress(OSError):
            for lock in place.glob(f"*{_LOCK_SUFFIX}"):
                with suppress(OSError):
                    _sweep_one(lock)
            place.rmdir()


def _sweep_one(lock: Path) -> None:
    if sys.platform == "win32":
        lock.unlink()  # refused while somebody has it open
        _remove(lock.with_suffix(""))
        return
    descriptor = os.open(lock, os.O_RDWR)
    try:
        if _lock(descriptor):
            _remove(lock.with_suffix(""))
            lock.unlink()
    finally:
        os.close(descriptor)


@contextmanager
def kept_private(
    directory: Path, values: Mapping[str, str], owner: tuple[int, int] | None
) -> Iterator[None]:
    """Hold files that one launch has, by their names; what a killed one leaves is swept later.

    Raises:
        CannotWriteError: they cannot be written.
    """
    make_directory(directory.parent, mode=0o700)
    lock = directory.with_name(f"{directory.name}{_LOCK_SUFFIX}")
    descriptor = _locked(lock)
    try:
        _write(directory, values, owner)
        yield
    finally:
        _remove(directory)
        os.close(descriptor)
        lock.unlink(missing_ok=True)
        with suppress(OSError):
            directory.parent.rmdir()


def _locked(lock: Path) -> int:
    """Make a lock and hold it, until the descriptor is closed or the process is gone."""
    for _ in range(100):
        make_directory(lock.parent, mode=0o700)
        try:
            descriptor = os.open(lock, os.O_RDWR | os.O_CREAT, 0o600)
        except FileNotFoundError:
            continue
        if _lock(descriptor) and os.fstat(descriptor).st_nlink:
            return descriptor
        os.close(descriptor)
    raise CannotWriteError(f"cannot hold '{lock}'", hint="see who else uses the directory")


def _lock(descriptor: int) -> bool:
    if sys.platform == "win32":
        return True
    import fcntl

    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def _write(directory: Path, values: Mapping[str, str], owner: tuple[int, int] | None) -> None:
    try:
        directory.mkdir(mode=0o700)
        for name, value in values.items():
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
            descriptor = os.open(directory / name, flags, 0o600)
            with os.fdopen(descriptor, "wb") as stream:
                stream.write(value.encode("utf-8", "surrogateescape"))
                if owner and sys.platform != "win32":
                    os.fchown(stream.fileno(), *owner)
        if owner and sys.platform != "win32":
            os.chown(directory, *owner)
    except OSError as error:
        raise CannotWriteError(
            f"cannot write secrets below '{directory.parent}': {error.strerror or error}",
            hint="free some space there, or make it writable",
        ) from error


def _remove(directory: Path) -> None:
    shutil.rmtree(directory, ignore_errors=True)
