"""A layer or a clone in the project's place, so that nothing of the project itself is written."""

from __future__ import annotations

import os
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, cast

from pinnace import layers
from pinnace.layers import Layer, choose, make, summary
from pinnace.plan import Contribution
from pinnace.plan.contributors import git_worktree
from pinnace.plan.resources import Resource

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager

    from pinnace.layers import Kind
    from pinnace.plan import Inputs
    from pinnace_core.container import ContainerSpec


def contribute(inputs: Inputs) -> Contribution:
    """Mount a layer over the project, or a clone of it; or one that an earlier launch has left.

    Raises:
        EngineUnsuitableError: nothing of the kind is possible here.
        PinnaceError: as `layers.chosen`.
    """
    if inputs.level.read_only:
        return Contribution(notes=("the project is read-only here: there is no layer",))
    name = inputs.settings.layer
    layer, note = _left(inputs, name) if name else _new(inputs)
    borrowed = layer.git and git_worktree.lenders(
        Path(layer.common), inputs.settings, inputs.project
    )
    return Contribution(
        mounts=make.mounts(layer),
        notes=(*((note,) if note else ()), *(borrowed or ())),
        resources=(_resource(layer, is_new=not name),),
    )


def _left(inputs: Inputs, name: str) -> tuple[Layer, str]:
    layer = layers.chosen(name, inputs.project.source)
    return layer._replace(launch=inputs.name), f"this goes on in '{layer.name}'"


def _new(inputs: Inputs) -> tuple[Layer, str]:
    project = inputs.project
    wanted = cast("Kind", inputs.settings.workspace)
    kind, note = choose.choose(wanted, inputs.facts, inputs.engine, project)
    git, common = _git(inputs)
    layer = Layer(
        name=inputs.name.removeprefix("pinnace-"),
        kind=kind,
        workspace=project.source,
        target=project.target,
        begun=time.time(),
        git=git,
        common=common,
        launch=inputs.name,
    )
    return layer, note


def _git(inputs: Inputs) -> tuple[str, str]:
    """Return the project's git directory, and what it shares; empty: there is none to trust."""
    found = git_worktree.directories(inputs.facts, inputs.project)
    return (str(found[0]), str(found[1])) if found else ("", "")


def _resource(layer: Layer, *, is_new: bool) -> Resource:
    def acquire(_: ContainerSpec) -> AbstractContextManager[object]:
        return _acquired(layer, is_new=is_new)

    def pending() -> str:
        return f"make '{layer.place}'" if is_new else ""

    return Resource(acquire, pending, alone="it works on a layer, or a clone, of its own")


@contextmanager
def _acquired(layer: Layer, *, is_new: bool) -> Iterator[None]:
    child = make.make(layer) if is_new else 0
    if not is_new:
        # Removed meanwhile, it is not made anew.
        os.stat(layer.root)  # noqa: PTH116
        layers.save(layer)
    try:
        with make.held(layer, child):
            yield
    finally:
        summary.tell(layer, is_new=is_new)
