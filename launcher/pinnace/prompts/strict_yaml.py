"""YAML as far as JSON goes: no aliases, no tags, no key twice, and a place for whatever is wrong.

PyYAML reads it; what a plain scalar means is YAML 1.2's core schema: `no` and `12:30` are texts.
https://yaml.org/spec/1.2.2/#103-core-schema
"""

from __future__ import annotations

import re
from typing import Any, Final, TypeAlias

import yaml

from pinnace_core.tuples import NamedTuple

MOST_CHARACTERS: Final = 256 << 10
_INTEGER: Final = re.compile(r"[-+]?(0|[1-9][0-9]*)")
_NUMBER: Final = re.compile(r"[-+]?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][-+]?[0-9]+)?")
_WORDS: Final = {"": None, "~": None, "null": None, "true": True, "false": False}
_PLAIN_TAGS: Final = {f"tag:yaml.org,2002:{kind}" for kind in ("map", "seq", "str")}
# Of an integer: what Python converts in no time.
_MOST_DIGITS: Final = 400

Place: TypeAlias = tuple[int, int]
Path: TypeAlias = tuple[str | int, ...]


class YamlError(Exception):
    """Not YAML, or more than JSON can say.

    Args:
        message: what is wrong.
        place: line and column, counted from 1; None: nothing tells.
    """

    def __init__(self, message: str, place: Place | None = None) -> None:
        super().__init__(message)
        self.message, self.place = message, place


class Document(NamedTuple):
    """What a text says.

    Attributes:
        value: plain data, as of JSON.
        places: of every key and item, by its path: line and column, counted from 1.
    """

    value: Any
    places: dict[Path, Place]

    def place(self, path: Path) -> Place:
        """Return where something stands; of what is not there, where it would stand."""
        while path and path not in self.places:
            path = path[:-1]
        return self.places.get(path, (1, 1))


def load(text: str) -> Document:
    """Read a text.

    Raises:
        YamlError: it cannot be read, or is too long.
    """
    if len(text) > MOST_CHARACTERS:
        raise YamlError(f"longer than {MOST_CHARACTERS >> 10} KiB")
    try:
        root = yaml.compose(text, Loader=yaml.BaseLoader)
        return Document(None, {}) if root is None else _document(root)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = _place(mark) if mark else None
        raise YamlError(str(error.problem or error.context), place) from None
    except yaml.YAMLError as error:
        raise YamlError(" ".join(str(error).split())) from None
    except RecursionError:
        raise YamlError("nested too deeply") from None


def _document(root: yaml.Node) -> Document:
    reader = _Reader()
    return Document(reader.plain(root, ()), reader.places)


class _Reader:
    """Makes plain data of nodes, and keeps where they stand."""

    def __init__(self) -> None:
        self.places: dict[Path, Place] = {}
        self._seen: set[int] = set()

    def plain(self, node: yaml.Node, path: Path) -> Any:  # noqa: ANN401 (JSON)
        place = _place(node.start_mark)
        self.places.setdefault(path, place)
        if id(node) in self._seen:
            raise YamlError("an alias: write out what it stands for", place)
        self._seen.add(id(node))
        if node.tag not in _PLAIN_TAGS:
            raise YamlError(f"a tag, '{node.tag}': leave it out", place)
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, path)
        if isinstance(node, yaml.SequenceNode):
            return [self.plain(item, (*path, at)) for at, item in enumerate(node.value)]
        quoted = isinstance(node, yaml.ScalarNode) and node.style
        return node.value if quoted else _scalar(node.value, place)

    def _mapping(self, node: yaml.MappingNode, path: Path) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for key, value in node.value:
            place = _place(key.start_mark)
            if not isinstance(key, yaml.ScalarNode):
                raise YamlError("a key that is no text", place)
            name = str(key.value)
            if name in found:
                raise YamlError(f"'{name}' is there twice", place)
            self.places[(*path, name)] = place
            found[name] = self.plain(value, (*path, name))
        return found


def _scalar(text: str, place: Place) -> Any:  # noqa: ANN401 (JSON)
    if text in _WORDS:
        return _WORDS[text]
    if not _NUMBER.fullmatch(text):
        return text
    if len(text) > _MOST_DIGITS:
        raise YamlError("a number of too many digits", place)
    return int(text) if _INTEGER.fullmatch(text) else float(text)


def _place(mark: yaml.Mark) -> Place:
    return mark.line + 1, mark.column + 1
