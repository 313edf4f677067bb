"""Layers and clones: what a launch writes to instead of the project, until its user takes it over.

Of a review, `root` holds only what differs from the project (an overlay's upper directory); of a
clone, everything. Both lie among Pinnace's state, one for a launch, and outlast it.
"""

from __future__ import annotations

import json
import os
import re
from typing import TYPE_CHECKING, Final, Literal

from pinnace_core import host
from pinnace_core.errors import AmbiguousNameError, LayerMissingError, UsageError
from pinnace_core.files import read_own, write_atomic
from pinnace_core.tuples import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

Kind = Literal["review", "clone"]
_SCHEMA: Final = 1
_MOST_BYTES: Final = 1 << 16
_RECORD: Final = "layer.json"
_NAME: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,63}", re.ASCII)
_LIST: Final = "see: pinnace review list"


class Layer(NamedTuple):
    """One of them.

    Attributes:
        name: unique among the user's.
        kind: how it was made.
        workspace: the project, on the host.
        target: where it is seen inside.
        begun: when it was made, in seconds since the epoch.
        git: the project's git directory, as far as it is the project's own; empty: it has none.
        common: what that shares with other worktrees; mostly the same.
        launch: name of the container that writes to it, or did last.
    """

    name: str
    kind: Kind
    workspace: str
    target: str
    begun: float
    git: str = ""
    common: str = ""
    launch: str = ""

    @property
    def place(self) -> Path:
        """The directory that holds all of it."""
        return directory() / self.name

    @property
    def root(self) -> Path:
        """The directory that the launch writes to."""
        return self.place / ("upper" if self.kind == "review" else "tree")


def directory() -> Path:
    """Return the directory of all layers."""
    return host.directory("state") / "layers"


def save(layer: Layer) -> None:
    """Record a layer: from then on there is one.

    Raises:
        CannotWriteError: it cannot be written.
    """
    document = {"schema": _SCHEMA, **layer._asdict()}
    write_atomic(layer.place / _RECORD, json.dumps(document).encode(), mode=0o600, durable=True)


def is_begun(name: str) -> bool:
    """Return whether there is a record at all of a layer, whatever it holds."""
    return os.path.lexists(directory() / name / _RECORD)


def load(name: str) -> Layer | None:
    """Return a layer by its name; None: there is none, or its record is broken."""
    if not _NAME.fullmatch(name):
        return None
    try:
        document = json.loads(read_own(directory() / name / _RECORD, most=_MOST_BYTES))
        about = {key: document[key] for key in Layer._fields}
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None
    texts = all(isinstance(about[key], str) for key in about if key != "begun")
    known = document.get("schema") == _SCHEMA and about["kind"] in {"review", "clone"}
    sound = texts and known and about["name"] == name and isinstance(about["begun"], float)
    return Layer(**about) if sound else None


def all_of(workspace: str = "") -> list[Layer]:
    """Return the layers of a project, or of all, the oldest first."""
    try:
        names = os.listdir(directory())  # noqa: PTH208 (names are what is wanted)
    except OSError:
        return []
    found = [layer for name in names if (layer := load(name))]
    return sorted(
        (layer for layer in found if workspace in {"", layer.workspace}),
        key=lambda layer: (layer.begun, layer.name),
    )


def chosen(name: str, workspace: str) -> Layer:
    """Return the layer of a name, or the project's only one.

    Args:
        name: of it, or the end of that; empty: the only one.
        workspace: the project.

    Raises:
        LayerMissingError: there is none.
        AmbiguousNameError: there are several.
        UsageError: it is another project's.
    """
    if name and (layer := load(name)):
        if layer.workspace != workspace:
            raise UsageError(
                f"'{name}' is a layer over '{layer.workspace}'", hint="change into that project"
            )
        return layer
    found = [one for one in all_of(workspace) if not name or one.name.endswith(f"-{name}")]
    return _only(found, name)


def _only(found: Sequence[Layer], name: str) -> Layer:
    if not found:
        what = f"no layer '{name}'" if name else "no layer"
        raise LayerMissingError(f"this project has {what}", hint=f"{_LIST}; make one: --review")
    if len(found) > 1:
        names = ", ".join(layer.name for layer in found)
        raise AmbiguousNameError(
            f"this project has several layers: {names}", hint="say which one: --layer NAME"
        )
    return found[0]
