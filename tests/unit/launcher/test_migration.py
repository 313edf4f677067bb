"""What was in one directory for all projects goes to where it belongs; nothing is lost."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pinnace.agent import migration, places
from pinnace.config import Settings
from pinnace_core.errors import CannotWriteError
from tests.support import hosts

if TYPE_CHECKING:
    from pinnace.agent.places import Place
    from pinnace.config.project import Workspace

_OURS = "aaaaaaaa-0000-4000-8000-000000000000"
_DEEPER = "bbbbbbbb-0000-4000-8000-000000000000"
_THEIRS = "cccccccc-0000-4000-8000-000000000000"
_GONE = "dddddddd-0000-4000-8000-000000000000"


def _put(path: Path, content: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content if isinstance(content, str) else json.dumps(content))


class Before:
    """A home with one directory for all projects, of which `app` is launched."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.app, self.other = home / "app", home / "app-2"
        for project in (self.app, self.other, self.app / "vendored"):
            (project / ".git").mkdir(parents=True)
        (self.app / "sub").mkdir()
        self.shared = places.shared_root() / "default"

    @property
    def project(self) -> Workspace:
        return hosts.workspace(str(self.app))

    @property
    def place(self) -> Place:
        return places.choose(Settings(), hosts.linux(), self.project, owner=None)

    def session(self, cwd: Path, number: str, said: str = "hi") -> Path:
        name = str(cwd).replace("/", "-").replace(".", "-").replace("_", "-")
        path = self.shared / "projects" / name / f"{number}.jsonl"
        summary = {"type": "summary", "summary": said}
        _put(path, f"{json.dumps(summary)}\n{json.dumps({'cwd': str(cwd), 'said': said})}\n")
        return path

    def migrate(self) -> None:
        migration.migrate(self.place, self.project, self.home)

    def there(self) -> set[str]:
        config = self.place.config
        return {str(p.relative_to(config)) for p in config.rglob("*") if not p.is_dir()}


@pytest.fixture
def before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Before:
    for kind in ("CONFIG", "DATA", "STATE"):
        monkeypatch.setenv(f"XDG_{kind}_HOME", str(tmp_path / "own" / kind.lower()))
    made = Before(tmp_path)
    made.session(made.app, _OURS)
    made.session(made.app / "sub", _DEEPER)
    # Its directory is called like one of a directory `2` in the project.
    made.session(made.other, _THEIRS)
    made.session(made.app / "vendored", _GONE)
    for number in (_OURS, _THEIRS):
        _put(made.shared / "todos" / f"{number}-agent-{number}.json", "[]")
        _put(made.shared / "file-history" / number / "x@v1", number)
    lines = [{"display": p.name, "project": str(p)} for p in (made.app, made.other)]
    _put(made.shared / "history.jsonl", "".join(f"{json.dumps(line)}\n" for line in lines))
    _put(made.shared / "CLAUDE.md", "the user's")
    _put(made.shared / "agents" / "x.md", "an agent")
    _put(made.shared / "settings.json", {"theme": "light"})
    _put(
        made.shared / ".claude.json",
        {
            "theme": "light",
            "mcpServers": {"everywhere": {"command": "x"}},
            "projects": {
                str(made.app): {"allowedTools": ["a"], "mcpServers": {"local": {}}},
                str(made.other): {"allowedTools": ["b"]},
            },
        },
    )
    logins = {"everywhere|1": 1, "local|2": 2, "of another|3": 3}
    _put(made.shared / ".credentials.json", {"mcpOAuth": logins})
    return made


def _names(path: Path) -> str:
    return str(path).replace("/", "-").replace("_", "-")


def test_each_has_its_own_and_nothing_of_others(before: Before) -> None:
    kept = {p: p.read_bytes() for p in before.shared.rglob("*") if p.is_file()}
    before.migrate()
    app, config = _names(before.app), before.place.config
    state = json.loads((config / ".claude.json").read_text())

    assert before.there() == {
        f"projects/{app}/{_OURS}.jsonl",
        f"projects/{app}-sub/{_DEEPER}.jsonl",
        f"todos/{_OURS}-agent-{_OURS}.json",
        f"file-history/{_OURS}/x@v1",
        *("history.jsonl", ".claude.json", ".credentials.json"),
    }
    assert (config / "history.jsonl").read_text().count("\n") == 1
    assert list(state["projects"]) == [str(before.app)]
    assert "mcpServers" not in state
    assert state["theme"] == "light"
    credentials = json.loads((config / ".credentials.json").read_text())
    assert credentials == {"mcpOAuth": {"everywhere|1": 1, "local|2": 2}}
    assert {p: p.read_bytes() for p in before.shared.rglob("*") if p.is_file()} == kept


def test_what_is_the_users_is_in_the_profile(before: Before) -> None:
    before.migrate()
    profile = before.place.profile
    assert profile is not None

    assert (profile / "CLAUDE.md").read_text() == "the user's"
    assert (profile / "agents" / "x.md").read_text() == "an agent"
    assert json.loads((profile / "settings.json").read_text()) == {"theme": "light"}
    servers = json.loads((profile / "mcp.json").read_text())
    assert servers == {"mcpServers": {"everywhere": {"command": "x"}}}


def test_all_projects_have_theirs_in_the_end(before: Before) -> None:
    before.migrate()
    before.app = before.other
    before.migrate()

    assert f"projects/{_names(before.other)}/{_THEIRS}.jsonl" in before.there()
    before.app = before.home / "app" / "vendored"
    before.migrate()
    assert f"projects/{_names(before.app)}/{_GONE}.jsonl" in before.there()


def test_what_the_project_does_not_say_goes_by_its_name(before: Before) -> None:
    directory = before.shared / "projects" / _names(before.app)
    _put(directory / "eeeeeeee-0000-4000-8000-000000000000.jsonl", '{"type": "summary"}\n')
    _put(directory / "memory" / "MEMORY.md", "notes")
    before.migrate()

    assert f"projects/{_names(before.app)}/memory/MEMORY.md" in before.there()
    assert len(list((before.place.config / "projects").rglob("*.jsonl"))) == 3


def test_notes_of_a_directory_that_two_projects_have_are_nobodys(before: Before) -> None:
    directory = before.shared / "projects" / _names(before.app)
    stranger = before.home / "app.x"
    stranger.mkdir()
    _put(directory / "ffffffff-0000-4000-8000-000000000000.jsonl", {"cwd": str(stranger)})
    _put(directory / "memory" / "MEMORY.md", "notes")
    before.migrate()

    assert "memory" not in "".join(before.there())
    assert "ffffffff" not in "".join(before.there())
    assert _OURS in "".join(before.there())


def test_times_are_kept(before: Before) -> None:
    path = before.shared / "projects" / _names(before.app) / f"{_OURS}.jsonl"
    os.utime(path, (1_000_000, 1_000_000))
    before.migrate()
    (copy,) = before.place.config.rglob(f"{_OURS}.jsonl")

    assert copy.stat().st_mtime == 1_000_000


def test_links_and_pipes_lead_nowhere(before: Before) -> None:
    secret = before.home / "secret"
    secret.mkdir()
    _put(secret / "key", "SECRET")
    directory = before.shared / "projects" / _names(before.app)
    (directory / f"{_OURS}").symlink_to(secret)
    (before.shared / "projects" / "x").symlink_to(secret)
    (before.shared / "skills").symlink_to(secret)
    (before.shared / "agents" / "link").symlink_to(secret / "key")
    os.mkfifo(before.shared / "agents" / "pipe")
    os.mkfifo(directory / "0.jsonl")
    os.mkfifo(before.shared / "rules")
    (before.shared / "todos" / f"{_OURS}-link").symlink_to(secret / "key")
    before.migrate()
    made = [*before.place.config.rglob("*"), *places.root().rglob("*")]

    plain = [path for path in made if path.is_file() and not path.is_symlink()]

    assert [path for path in made if path.is_fifo()] == []
    assert [path for path in plain if "SECRET" in path.read_text()] == []


def test_a_name_that_many_begin_with_takes_nothing_along(before: Before) -> None:
    before.session(before.app, "c")
    before.session(before.app, "")
    before.migrate()

    assert not [name for name in before.there() if _THEIRS in name]


@pytest.mark.parametrize(
    "text",
    ["", "[]", "{", '{"projects": 3, "mcpServers": 4}', "[" * 10_000, '{"projects": {"x": 1}}'],
)
def test_a_state_that_is_none_loses_no_session(before: Before, text: str) -> None:
    _put(before.shared / ".claude.json", text)
    before.migrate()

    assert _OURS in "".join(before.there())


@pytest.mark.parametrize("number", range(9))
def test_who_is_killed_in_between_has_changed_nothing(
    before: Before, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    """A kill leaves what was made so far: nothing here tidies up."""
    left = number
    real = migration.copy_file

    def killed(source: Path, target: Path) -> None:
        nonlocal left
        left -= 1
        if left < 0:
            raise SystemExit("killed")
        real(source, target)

    with monkeypatch.context() as patched:
        patched.setattr(migration, "copy_file", killed)
        try:
            before.migrate()
        except SystemExit:
            assert not before.place.config.exists()
    kept = {p for p in before.shared.rglob("*") if p.is_file()}
    before.migrate()
    profile = before.place.profile
    assert profile is not None

    assert len(before.there()) == 7
    assert (profile / "agents" / "x.md").exists()
    assert {p for p in before.shared.rglob("*") if p.is_file()} == kept
    made = [*places.root().iterdir(), *before.place.config.parent.iterdir()]
    assert not [path for path in made if path.name.startswith(".")]


def test_a_full_disk_is_said_and_changes_nothing(
    before: Before, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("shutil.copyfileobj", full)
    with pytest.raises(CannotWriteError, match="No space left"):
        before.migrate()

    assert not before.place.config.exists()
    assert not (before.place.profile or Path("/")).exists()
