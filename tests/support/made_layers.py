"""Layers as a kernel leaves them, made without one."""

from __future__ import annotations

import os
import stat
import time
from typing import TYPE_CHECKING

from pinnace import layers
from pinnace.layers import Layer, apply, snapshot
from pinnace.layers.changes import differences

if TYPE_CHECKING:
    from pathlib import Path

    from pinnace.layers.changes import Change


def review(workspace: Path, name: str = "demo-c0ffee", *, based: bool = True) -> Layer:
    """A layer over a project, in which nothing was written yet."""
    age_all(workspace)
    layer = Layer(name, "review", str(workspace), str(workspace), time.time())
    layer.root.mkdir(parents=True)
    layers.save(layer)
    if based:
        marks = snapshot.take(str(workspace), layer.begun)
        assert marks is not None
        snapshot.write(layer.place, marks)
    return layer


def age_all(place: Path) -> None:
    """Wait until what lies there is older than what may be changed while somebody looks."""
    newest = max((p.lstat().st_ctime for p in [place, *place.rglob("*")]), default=0.0)
    while time.time() < newest + 0.05:
        time.sleep(0.01)


def whiteout(path: Path) -> None:
    """What an overlay has where something is gone; anybody may make one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    os.mknod(path, stat.S_IFCHR | 0o000, os.makedev(0, 0))


def opaque(path: Path) -> Path:
    """A directory that hides what was there before."""
    path.mkdir(parents=True, exist_ok=True)
    os.setxattr(path, "user.overlay.opaque", b"y")
    return path


def listed(layer: Layer) -> dict[str, str]:
    """What a layer changes, by path."""
    return {change.path: change.what for change in differences(layer)}


def changes(layer: Layer) -> dict[str, Change]:
    """Likewise, with all that is known of it."""
    return {change.path: change for change in differences(layer)}


def applied(layer: Layer, *paths: str) -> dict[str, str]:
    """Take over what is named, or everything; return why not, by path."""
    wanted = [one for one in differences(layer) if not paths or one.path in paths]
    return {outcome.change.path: outcome.why for outcome in apply.apply(layer, wanted)}


def tree(place: Path) -> dict[str, str]:
    """What lies in a directory: links by what they say, files by their text."""
    return {
        str(path.relative_to(place)): f"-> {path.readlink()}"
        if path.is_symlink()
        else path.read_text(errors="replace")
        for path in sorted(place.rglob("*"))
        if path.is_symlink() or path.is_file()
    }
