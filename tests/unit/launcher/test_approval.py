"""What of a project's file counts at once: what tightens, and nothing else."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from pinnace.config import files, load
from pinnace.config.schema import BY_NAME, KEYS
from tests.support import hosts

if TYPE_CHECKING:
    from pathlib import Path

    from pinnace.config import Config


@pytest.fixture
def project(tmp_path: Path) -> Path:
    place = tmp_path / "project"
    (place / ".git").mkdir(parents=True)
    return place


def _load(project: Path, text: str, users: str = "") -> Config:
    (project / "pinnace.toml").write_text(text)
    own = files.user_path()
    own.parent.mkdir(parents=True, exist_ok=True)
    own.write_text(users)
    return load.load(hosts.linux(cwd=str(project)), {})


def _waiting(project: Path, text: str, users: str = "") -> list[str]:
    return [name for one in _load(project, text, users).pending for name in one.values]


@pytest.mark.parametrize(
    ("table", "users", "tighter", "looser"),
    [
        ("run", "", 'memory = "4g"', 'memory = "16g"'),
        ("run", 'memory = "2g"', 'memory = "1g"', 'memory = "4g"'),
        ("run", 'memory = "2g"', 'memory = "2048m"', 'memory = "2049m"'),
        ("run", "", "pids = 4096", "pids = 4097"),
        ("run", "pids = 10", "pids = 5", "pids = 4096"),
        ("run", "cpus = 2", "cpus = 1.5", "cpus = 3"),
        ("run", 'shm-size = "1g"', 'shm-size = "1g"', 'shm-size = "2g"'),
        ("run", "", 'shm-size = "64m"', 'shm-size = "65m"'),
        ("run", "git = false", "git = false", "git = true"),
        ("run", "provision = false", "provision = false", "provision = true"),
        ("run", 'workspace = "review"', 'workspace = "clone"', 'workspace = "bind"'),
        ("run", 'workspace = "clone"', 'workspace = "review"', 'workspace = "bind"'),
        ("run", "", 'isolation = "locked"', 'isolation = "open"'),
        ("run", 'isolation = "open"', 'isolation = "standard"', 'isolation = "mine"'),
        ("run", 'isolation = "locked"', 'isolation = "locked"', 'isolation = "standard"'),
        ("claude", "locked = true", "locked = true", "locked = false"),
        ("claude", "", 'variant = "slim"', 'variant = "dev"'),
        ("claude", 'variant = "dev"', 'variant = "dev"', 'variant = "slim"'),
        ("image", "", "packages = []", 'packages = ["jq"]'),
        ("image", 'packages = ["jq", "bc"]', 'packages = ["bc"]', 'packages = ["bc", "nmap"]'),
        ("image", 'tools = ["none"]', 'tools = ["none"]', 'tools = ["node"]'),
    ],
)
def test_what_is_tighter_counts_and_what_is_looser_waits(
    project: Path, table: str, users: str, tighter: str, looser: str
) -> None:
    name = f"{table}.{tighter.partition(' ')[0]}"
    own = f"[{table}]\n{users}\n"

    assert _waiting(project, f"[{table}]\n{tighter}\n", own) == []
    assert _waiting(project, f"[{table}]\n{looser}\n", own) == [name]
    usual = load.load(hosts.linux(cwd=str(project.parent)), {}).values[name].value
    assert _load(project, f"[{table}]\n{looser}\n", own).values[name].value == usual


@pytest.mark.parametrize(
    "text",
    ["cpus = 1", "note = false", 'private = ["x"]', 'user = "agent"', 'workspace = "review"'],
)
def test_what_opens_nothing_counts_at_once(project: Path, text: str) -> None:
    assert _waiting(project, f"[run]\n{text}\n") == []


def test_tools_that_the_projects_files_choose_anyway_do_not_wait(project: Path) -> None:
    assert _waiting(project, '[image]\ntools = ["node"]\n') == []


def test_a_file_further_in_may_tighten_what_one_further_out_said(project: Path) -> None:
    (project / "sub").mkdir()
    (project / "sub" / "pinnace.toml").write_text('[run]\nmemory = "3g"\n')
    (project / "pinnace.toml").write_text('[run]\nmemory = "2g"\n')
    inner = load.load(hosts.linux(cwd=str(project / "sub")), {})

    assert inner.settings.memory == "2g"
    assert [list(one.values) for one in inner.pending] == [["run.memory"]]


def test_once_approved_it_counts(project: Path) -> None:
    (pending,) = _load(project, '[run]\nmemory = "16g"\n').pending
    files.approve(pending.path, pending.content)

    assert _load(project, '[run]\nmemory = "16g"\n').settings.memory == "16g"


_NEVER = {"run.user", "run.private", "run.session", "run.note", "claude.version"}
"""They open nothing, whatever they say; the version has a rule of its own."""


@pytest.mark.parametrize("name", [key.name for key in KEYS])
def test_each_setting_has_a_rule(name: str) -> None:
    key: Any = BY_NAME[name]

    assert bool(key.approval.shown) or name in _NEVER
