"""What was shared before is copied whole, or not at all: launches that are killed meanwhile."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.process.conftest import Machine

_SESSIONS = 300


def _shared(machine: Machine) -> dict[Path, bytes]:
    shared = Path(machine.environment["HOME"]) / ".local/share/pinnace/claude/default"
    directory = shared / "projects" / str(machine.project).replace("/", "-").replace(" ", "-")
    directory.mkdir(parents=True)
    for number in range(_SESSIONS):
        line = json.dumps({"cwd": str(machine.project), "said": "x" * 20_000})
        name = f"{number:08x}-0000-4000-8000-000000000000"
        (directory / f"{name}.jsonl").write_text(f"{line}\n")
    (shared / "agents").mkdir()
    (shared / "agents" / "x.md").write_text("an agent")
    (shared / ".claude.json").write_text('{"numStartups": 7}')
    return {path: path.read_bytes() for path in shared.rglob("*") if path.is_file()}


def _has_part(place: Path) -> bool:
    """Return whether something is being copied there; what goes meanwhile stops no search."""
    found = os.walk(place)
    return any(
        name.startswith(".") and name.endswith(".part") for _, d, f in found for name in d + f
    )


def test_a_launch_that_is_killed_loses_nothing(machine: Machine) -> None:
    before = _shared(machine)
    assert machine.pinnace("status").returncode == 0
    home = Path(machine.environment["HOME"])
    killed = 0
    for moment in range(8):
        child = subprocess.Popen(
            [sys.executable, "-m", "pinnace", "run"],
            cwd=machine.project,
            env=machine.environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        parts = [home / ".config/pinnace/profiles", home / ".local/share/pinnace/projects"]
        # The first ones as soon as there is anything, the others a little later.
        while child.poll() is None and not any(map(_has_part, parts)):
            time.sleep(0.001)
        time.sleep(moment * 0.01)
        killed += child.poll() is None
        child.kill()
        child.wait()
    done = machine.pinnace("run")
    (config,) = home.glob(".local/share/pinnace/projects/*/default")
    profile = home / ".config/pinnace/profiles/default"
    copies = {path.name: path.read_bytes() for path in config.glob("projects/*/*.jsonl")}

    assert killed > 0, "none was caught at work"
    assert done.returncode == 0, done.stderr
    assert {path: path.read_bytes() for path in before} == before
    assert copies == {p.name: data for p, data in before.items() if p.suffix == ".jsonl"}
    assert (profile / "agents" / "x.md").read_text() == "an agent"
    assert json.loads((config / ".claude.json").read_text())["numStartups"] == 7
    assert not _has_part(home)


def test_launches_at_once_copy_it_once(machine: Machine) -> None:
    before = _shared(machine)
    children = [
        subprocess.Popen(
            [sys.executable, "-m", "pinnace", "run"],
            cwd=machine.project,
            env=machine.environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )
        for _ in range(4)
    ]
    said = [child.communicate(timeout=60)[1] for child in children]
    (config,) = Path(machine.environment["HOME"]).glob(".local/share/pinnace/projects/*/default")

    assert [child.returncode for child in children] == [0] * 4, said
    assert sum(b"transcripts are copied" in text for text in said) == 1
    assert len(list(config.glob("projects/*/*.jsonl"))) == len(before) - 2
