"""What layers would change, as people and programs read it."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from pinnace import layers
from pinnace.layers import changes, commits, hunks, make, summary
from pinnace_core import console, output
from pinnace_core.errors import LayerMissingError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pinnace.layers import Layer
    from pinnace.layers.changes import Change
    from pinnace.layers.commits import Branch

_SIGNS: Final = {
    "added": "A",
    "changed": "M",
    "deleted": "D",
    "mode": "X",
    "type": "T",
    "special": "!",
}


def rows(workspace: str) -> list[dict[str, Any]]:
    """Return what there is to say of a project's layers, or of all."""
    return [_described(one) for one in layers.all_of(workspace)]


def overview(workspace: str) -> bool:
    """Tell what layers a project has, and what they would change; return whether it has any."""
    found = layers.all_of(workspace)
    for one in found:
        would, branches = differences(one), commits.new(one)
        output.say(f"{one.kind} {one.name}: {summary.of(would, len(branches)).text}")
        _print(would)
        for branch in branches:
            output.say(f"  C {named(branch)}")
    if found:
        console.stderr("pinnace: see it: pinnace review diff; take it over: apply; or not: drop")
    return bool(found)


def differences(layer: Layer) -> list[Change]:
    """Return what a layer would change.

    Raises:
        LayerMissingError: it or its project cannot be read.
    """
    try:
        return changes.differences(layer)
    except OSError as error:
        raise unreadable(layer, error) from error


def unreadable(layer: Layer, error: OSError) -> LayerMissingError:
    """Return what there is to say of a layer that cannot be read."""
    return LayerMissingError(
        f"'{layer.name}' or its project cannot be read: {error.strerror or error}",
        hint=f"if it is of no use any more: pinnace review drop --layer {layer.name}",
    )


def named(branch: Branch) -> str:
    """Return for people which branch it is, and where it stands."""
    of = f" of {branch.module.removeprefix('modules/')}" if branch.module else ""
    return f"branch {branch.name}{of}, {branch.commit[:12]}"


def _print(those: Sequence[Change]) -> None:
    for change in those:
        if not change.ignored or change.runs:
            notes = " ".join(note.removeprefix("! ") for note in hunks.notes(change))
            output.say(f"  {_SIGNS[change.what]} {change.path}{f'  ({notes})' if notes else ''}")


def _described(one: Layer) -> dict[str, Any]:
    found = summary.of(differences(one), len(commits.new(one)))
    return {
        "name": one.name,
        "kind": one.kind,
        "workspace": one.workspace,
        "begun": datetime.fromtimestamp(one.begun, UTC).isoformat(),
        "age": max(0, int(time.time() - one.begun)),
        "state": "running" if make.is_held(one) else "ended",
        "changes": found.text,
        **found._asdict(),
    }
