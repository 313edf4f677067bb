"""What a setting's value may be: read from TOML, or from the text of a flag or a variable.

Readers raise ValueError with what is wrong; where the value stands is said by who calls them.
"""

from __future__ import annotations

import ntpath
import posixpath
import re
from typing import TYPE_CHECKING, Final

from pinnace.config import MountRequest
from pinnace_core.tuples import NamedTuple
from pinnace_images import contract

if TYPE_CHECKING:
    from collections.abc import Callable

_MODES: Final = {"ro": True, "rw": False}
# Parts of the names of variables whose values nobody should see.
# Counts of tokens are none: MAX_THINKING_TOKENS.
_OF_SECRETS: Final = r"(API|ACCESS|PRIVATE)_?KEY|CREDENTIAL|PASSW|SECRET|TOKEN(?!S)"
_WORDS: Final = {
    **dict.fromkeys(("1", "true", "yes", "on"), True),
    **dict.fromkeys(("0", "false", "no", "off"), False),
}
_MOST_PIDS: Final = 9_999_999
_LONGEST: Final = 4096
_HIGHEST_PORT: Final = 65535
_MOST_STANDBY: Final = 32
DESTINATION: Final = r"(\*\.)?([a-z0-9_-]+\.)+[a-z][a-z0-9_-]*(:[1-9][0-9]{0,4})?"
"""A host's name, or all below it, and a port; what ends in a number is an address."""
HEADER: Final = (
    r"(?P<host>(?:[a-z0-9_-]+\.)+[a-z][a-z0-9_-]*) +(?P<name>[A-Za-z0-9!#$&*+.^_`|~-]+): *"
    r"(?P<value>[^\x00-\x1f\x7f']*\$\{[A-Za-z_][A-Za-z0-9_]*\}[^\x00-\x1f\x7f']*)"
)
"""A host's name and a header for it, whose value names a variable at least."""
_SHIFTS: Final = {"": 0, "b": 0, "k": 10, "m": 20, "g": 30}
# https://github.com/moby/moby, daemon/daemon_unix.go: linuxMinMemory
_LEAST_MEMORY: Final = 6 << 20
_SIZE_FORM: Final = "a number with k, m or g, like 8g; without, it is bytes"
_MOUNT_FORM: Final = "SOURCE[:TARGET][:ro|rw] with an absolute TARGET"


class Place(NamedTuple):
    """Where a value stands.

    Attributes:
        directory: absolute; relative paths start there.
        home: what `~` means.
        windows: paths are those of Windows.
    """

    directory: str
    home: str
    windows: bool = False


class Kind(NamedTuple):
    """A type of values.

    Attributes:
        shown: what it is called in the documentation.
        read: makes the value from what TOML, or `from_text`, gives.
        from_text: makes of a variable's or flag's text what TOML would give.
        is_list: flags add to what the other sources say.
        choices: all values, where they are few.
    """

    shown: str
    read: Callable[[object, Place], object]
    from_text: Callable[[str], object] = str
    is_list: bool = False
    choices: tuple[str, ...] = ()


def _string(value: object) -> str:
    if not isinstance(value, str):
        raise ValueError(f"expected a string, found {_name(value)}")  # noqa: TRY004 (see above)
    if not value:
        raise ValueError("expected a value, found none")
    if len(value) > _LONGEST or not value.isprintable():
        raise ValueError(f"expected text that can be printed, of at most {_LONGEST} characters")
    return value


def _name(value: object) -> str:
    names: dict[type, str] = {bool: "a boolean", int: "a number", list: "a list", dict: "a table"}
    return names.get(type(value), "a string" if isinstance(value, str) else "something else")


def matching(pattern: str, described: str) -> Kind:
    """Make a kind of strings that a pattern fits."""

    def read(value: object, _place: Place) -> object:
        if not re.fullmatch(pattern, _string(value), re.ASCII):
            raise ValueError(f"expected {described}")
        return value

    return Kind(described, read)


def variable() -> Kind:
    """Make a kind of variables: `NAME`, or `NAME=VALUE` of what is no secret."""
    described = "a variable's name, or NAME=VALUE"

    def read(value: object, _place: Place) -> object:
        name, equals, text = _string(value).partition("=")
        if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name, re.ASCII) or "\0" in text:
            raise ValueError(f"expected {described}")
        if equals and is_secret_name(name):
            raise ValueError(
                f"{name} is a secret by its name: no value of such stands in files or arguments; "
                "set the variable, and give its name alone"
            )
        return value

    return Kind(described, read)


def is_secret_name(name: str) -> bool:
    """Return whether a variable's value is a secret, as its name tells."""
    return re.search(_OF_SECRETS, name.upper()) is not None


def one_of(*choices: str) -> Kind:
    """Make a kind of a few words."""

    def read(value: object, _place: Place) -> object:
        if _string(value) not in choices:
            from pinnace_core.errors import perhaps

            raise ValueError(f"expected {' or '.join(choices)}{perhaps(_string(value), choices)}")
        return value

    return Kind(" or ".join(f"`{choice}`" for choice in choices), read, choices=choices)


def standby() -> Kind:
    """Make a kind of numbers of what waits, or `auto`."""
    described = f"auto, or a number up to {_MOST_STANDBY}"

    def read(value: object, _place: Place) -> object:
        text = str(value) if type(value) is int else _string(value)
        known = text == "auto" or (text.isdecimal() and str(int(text)) == text)
        if not known or (text != "auto" and int(text) > _MOST_STANDBY):
            raise ValueError(f"expected {described}")
        return text

    return Kind(f"`auto`, or a number up to {_MOST_STANDBY}", read)


def port_pair() -> Kind:
    """Make a kind of ports: a number, or two with a colon between them."""
    described = "a port, or two as 8080:3000"

    def read(value: object, _place: Place) -> object:
        text = str(value) if type(value) is int else _string(value)
        numbers = text.split(":")
        if len(numbers) > 2 or not all(map(_is_port, numbers)):  # noqa: PLR2004 (a pair)
            raise ValueError(f"expected {described}")
        return text

    return Kind(described, read)


def _is_port(text: str) -> bool:
    return bool(re.fullmatch(r"[1-9][0-9]{0,4}", text, re.ASCII)) and int(text) <= _HIGHEST_PORT


def list_of(item: Kind, shown: str) -> Kind:
    """Make a kind of lists; in a variable, commas or blanks are between the items."""

    def read(value: object, place: Place) -> object:
        return tuple(dict.fromkeys(item.read(one, place) for one in _items(value)))

    return Kind(
        shown,
        read,
        lambda text: text.replace(",", " ").split(),
        is_list=True,
        choices=item.choices,
    )


def _items(value: object) -> list[object]:
    if not isinstance(value, list):
        raise ValueError(f"expected a list, found {_name(value)}")  # noqa: TRY004 (see above)
    return value


def _boolean(value: object, _place: Place) -> object:
    if not isinstance(value, bool):
        raise ValueError(f"expected true or false, found {_name(value)}")  # noqa: TRY004
    return value


def _boolean_text(text: str) -> object:
    return _WORDS.get(text.lower(), text)


def _count(value: object, _place: Place) -> object:
    if type(value) is not int or not 1 <= value <= _MOST_PIDS:
        raise ValueError(f"expected a number from 1 to {_MOST_PIDS}")
    return value


def _count_text(text: str) -> object:
    return int(text) if re.fullmatch(r"[0-9]{1,9}", text, re.ASCII) else text


def is_size(text: str) -> bool:
    """Return whether a text is a size as docker writes it."""
    return re.fullmatch(r"[1-9][0-9]{0,12}[bkmg]?", text.lower(), re.ASCII) is not None


def in_bytes(size: str) -> int:
    """Return a size, as docker writes it, in bytes."""
    text = size.lower()
    number = text.rstrip("bkmg")
    return int(number) << _SHIFTS[text[len(number) :]]


def _cpus(value: object, _place: Place) -> object:
    text = value if isinstance(value, str) else f"{value}"
    if isinstance(value, bool) or not re.fullmatch(
        r"(?!0+(\.0*)?$)[0-9]{1,4}(\.[0-9]{1,3})?", text
    ):
        raise ValueError("expected a number of processors, as 2 or 1.5")
    return text


def _size(value: object, _place: Place) -> object:
    text = _string(value).lower()
    number = text.rstrip("bkmg")
    if not is_size(text):
        raise ValueError(f"expected {_SIZE_FORM}")
    if in_bytes(text) < _LEAST_MEMORY:
        meant = f"; perhaps you meant {number}g" if number == text else ""
        raise ValueError(f"{text} is less than 6m, the least that docker takes{meant}")
    return value


def _path(value: object, place: Place) -> str:
    """Make a path absolute, without `.` and `..`: what is shown is what is taken."""
    text, paths = _string(value), ntpath if place.windows else posixpath
    if text.startswith("~"):
        if not re.fullmatch(r"~([/\\].*)?" if place.windows else r"~(/.*)?", text):
            raise ValueError("only '~' and '~/...' are expanded, no other user's home")
        text = paths.join(place.home, text[2:])
    return str(paths.normpath(paths.join(place.directory, text)))


def _target(text: str) -> str:
    if text == "~" or text.startswith("~/"):
        text = f"{contract.HOME}{text[1:]}"
    if not text.startswith("/"):
        raise ValueError("a mount's target must be an absolute path")
    # POSIX leaves two slashes at the start alone; a container has no use for that.
    return posixpath.normpath(f"/{text.lstrip('/')}")


def _same_place(source: str, place: Place) -> str:
    if not place.windows:
        return source
    drive, rest = ntpath.splitdrive(source)
    return f"/{drive.rstrip(':').lower()}{rest}".replace("\\", "/")


def _mount(value: object, place: Place) -> MountRequest:
    parts = dict(value) if isinstance(value, dict) else _split(_string(value), place)
    unknown = sorted(set(parts) - {"source", "target", "mode"})
    if unknown:
        raise ValueError(f"a mount has no '{unknown[0]}': it has source, target and mode")
    if "source" not in parts:
        raise ValueError("a mount needs a source")
    mode = parts.get("mode", "ro")
    if not isinstance(mode, str) or mode not in _MODES:
        raise ValueError("a mount's mode is ro or rw")
    source = _path(parts["source"], place)
    target = _target(_string(parts.get("target", _same_place(source, place))))
    return MountRequest(source, target, _MODES[mode])


def _split(text: str, place: Place) -> dict[str, object]:
    """Read `SOURCE[:TARGET][:ro|rw]`; a drive's colon belongs to the source."""
    rest, colon, mode = text.rpartition(":")
    parts: dict[str, object] = {"mode": mode} if colon and mode in _MODES else {}
    if parts:
        text = rest
    drive = text[:2] if place.windows and re.match(r"[A-Za-z]:", text) else ""
    source, colon, target = text[len(drive) :].partition(":")
    if not (drive or source) or (colon and not target.startswith(("/", "~"))) or ":" in target:
        raise ValueError(f"expected {_MOUNT_FORM}; a path with a colon needs the form of a table")
    return {**parts, "source": drive + source, **({"target": target} if colon else {})}


def _mounts(value: object, place: Place) -> object:
    mounts: dict[MountRequest, None] = {}
    for number, item in enumerate(_items(value), start=1):
        try:
            mounts[_mount(item, place)] = None
        except ValueError as error:
            raise ValueError(f"number {number}: {error}") from error
    return tuple(mounts)


def _lines(text: str) -> object:
    return [line.strip() for line in text.splitlines() if line.strip()]


STRING: Final = Kind("text", lambda value, _place: _string(value))
BOOLEAN: Final = Kind("`true` or `false`", _boolean, _boolean_text)
COUNT: Final = Kind("a number", _count, _count_text)
CPUS: Final = Kind("a number of processors", _cpus)
SIZE: Final = Kind("a size like `8g`, from `6m` on", _size)
PATH: Final = Kind("a path", _path)
HEADERS: Final = list_of(
    matching(HEADER, "a host's name and a header, as 'example.com Authorization: Bearer ${NAME}'"),
    "`HOST NAME: VALUE`",
)._replace(from_text=_lines)
MOUNTS: Final = Kind("tables or `SOURCE[:TARGET][:ro\\|rw]`", _mounts, _lines, is_list=True)
