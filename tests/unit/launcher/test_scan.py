"""What is made of what containers wrote."""

from __future__ import annotations

import json
from pathlib import Path, PureWindowsPath
from typing import TYPE_CHECKING, Any

import pytest

from pinnace.cleanup import scan
from pinnace.config import pin
from pinnace_core import host, temporaries
from pinnace_images.versions import CliVersion
from tests.support import hosts

if TYPE_CHECKING:
    from pinnace_core.host import HostFacts


@pytest.mark.parametrize("server", ["//evil.example/x", r"\\evil.example\x", r"/\evil.example\x"])
def test_a_project_that_a_container_names_makes_no_windows_log_in_to_a_server(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, server: str
) -> None:
    assert PureWindowsPath(server).is_absolute()
    state = tmp_path / "claude" / "default" / ".claude.json"
    state.parent.mkdir(parents=True)
    state.write_text(json.dumps({"projects": {server: {}, "/srv/demo": {}}}))
    asked: list[str] = []

    def find(facts: HostFacts, **_: Any) -> None:
        asked.append(facts.cwd)

    monkeypatch.setattr(host, "directory", lambda _: tmp_path)
    monkeypatch.setattr(pin, "find", find)

    scan.pinned(hosts.linux(), ())

    assert asked == ["/srv/demo"]


@pytest.fixture
def directories(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for kind in ("CONFIG", "DATA", "STATE"):
        monkeypatch.setenv(f"XDG_{kind}_HOME", str(tmp_path / kind.lower()))
    return tmp_path


_HALF = f".settings.json.{'0' * 16}.tmp"


@pytest.mark.parametrize(
    "path",
    [
        "config/pinnace/profiles/.default.part/CLAUDE.md",
        f"config/pinnace/profiles/default/{_HALF}",
        "data/pinnace/projects/demo-0/.default.part/projects",
        f"data/pinnace/projects/demo-0/default/{_HALF}",
        f"data/pinnace/projects/demo-0/{_HALF}",
        f"state/pinnace/layers/demo-0/{_HALF}",
        "state/pinnace/logins/.new-abc/config/.credentials.json",
        f"state/pinnace/verified/{_HALF}",
    ],
)
def test_what_was_written_by_who_was_killed_is_found(directories: Path, path: str) -> None:
    made = directories / path
    made.parent.mkdir(parents=True)
    made.write_text("half")

    (found,) = scan.unfinished(host.directory("state"))

    assert found.path in {made, *made.parents}
    assert found.path.name.startswith(".")
    assert found.path != directories / "state"


@pytest.mark.parametrize(
    "path",
    [
        "config/pinnace/profiles/default/skills/x/.part/file",
        "config/pinnace/profiles/default/.mine.tmp",
        f"data/pinnace/projects/demo-0/default/projects/{_HALF}",
        f"state/pinnace/layers/demo-0/upper/{_HALF}",
    ],
)
def test_what_is_somebodys_is_not(directories: Path, path: str) -> None:
    made = directories / path
    made.parent.mkdir(parents=True)
    made.write_text("whole")

    assert list(scan.unfinished(host.directory("state"))) == []


def test_a_write_in_a_project_that_was_killed_is_found(directories: Path) -> None:
    project = directories / "project"
    project.mkdir()
    with temporaries.name_in(project) as name:
        (project / name).write_text("half")
        (found,) = temporaries.left()
        (project / "link").symlink_to(project)
        with temporaries.name_in(project / "link"):
            through = [one.path for one in temporaries.left()]

    assert found.path == project / name
    assert sorted(through, key=bool) == [None, project / name], "no link is followed"
    assert list(temporaries.left()) == []


def test_a_pin_that_was_killed_is_found(directories: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    project = directories / "project"
    project.mkdir()
    (directories / "link").symlink_to(project)
    found: list[Path | None] = []

    def killed(made: Path, target: Path) -> None:
        del made, target
        found.extend(one.path for one in temporaries.left())
        raise KeyboardInterrupt

    monkeypatch.setattr(Path, "replace", killed)

    with pytest.raises(KeyboardInterrupt):
        pin.write(directories / "link" / ".claude-version", CliVersion.parse("2.1.330"))

    assert [path and path.parent for path in found] == [project]
    assert list(project.iterdir()) == []


def test_a_probe_that_was_killed_is_found(directories: Path) -> None:
    del directories
    state = host.directory("state")
    (state / "probe-x").mkdir(parents=True)

    assert [one.path for one in scan.unfinished(state)] == [state / "probe-x"]
