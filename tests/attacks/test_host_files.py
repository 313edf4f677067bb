"""Attacks on what this machine runs of a project: tried inside, then git is used on the host.

Each is real: done in a copy of the project that no container guards, the user's own git runs the
program. In a launch it is blocked, or reported at the end, and gone after a revert.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest

from tests.engine.conftest import VERSION, launching

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.engine.conftest import Launcher, Once

_PATIENCE_SECONDS: Final = 60
_VICTIM: Final = """
git init -q -b main lib && git -C lib commit -q --allow-empty -m i
git init -q -b main project && cd project
mkdir -p src .husky tools vendor/lib .vscode .claude .shared
echo 1 > src/a.txt; echo '*.png binary' > .gitattributes; echo true > tools/st.sh
printf '#!/bin/sh\\ntrue\\n' > .husky/pre-commit; chmod +x .husky/pre-commit tools/st.sh
printf '[user]\\n\\tname = n\\n' > .shared/gitconfig; echo '{}' > .husky/.keep
mkdir .zed; echo '{}' > .zed/tasks.json
printf '{"name": "x", "scripts": {"test": "true"}}\\n' > package.json
git -c protocol.file.allow=always submodule add -q ../lib sm
git add -A; git commit -qm i; echo 2 > src/a.txt; git commit -qam j
git init -q -b main vendor/lib && git -C vendor/lib commit -q --allow-empty -m i
for name in .vscode/tasks.json .claude/settings.json .mcp.json; do echo '{}' > $name; done
echo true > .envrc; printf '[run]\\nmemory = "2g"\\n' > pinnace.toml; echo VERSION > .claude-version
"""
_USER: Final = """
[user]
	name = n
	email = n@example.com
[filter "tool"]
	clean = sh tools/clean.sh
[protocol "file"]
	allow = always
"""
_EVIL: Final = "printf '#!/bin/sh\\ntouch RAN\\n' > .evil\nchmod +x .evil\n"


_VERIFIED: Final = ".local/state/pinnace/verified"


@dataclass(frozen=True)
class Attack:
    """One attack.

    Attributes:
        name: of it.
        script: what is done inside, in the project; a program is there, `.evil`.
        visit: what the user does afterwards, on the host; empty: no git runs it.
        setup: what the user had done before.
        reported: the path that is reported; empty: it is blocked.
        keeps: a file that stays as it is.
    """

    name: str
    script: str
    visit: str = ""
    setup: str = ""
    reported: str = ""
    keeps: str = ""


_ALL: Final = [
    Attack(**one)
    for one in tomllib.loads(Path(__file__).with_name("host_files.toml").read_text())["attack"]
]


def test_there_are_enough_of_them() -> None:
    names = [one.name for one in _ALL]

    assert len(set(names)) == len(names) >= 40


@pytest.fixture(scope="session")
def victim(once: Once) -> Path:
    """A project with all that a day's work brings, in a directory with what is around it."""

    def make(place: Path) -> None:
        (place / "home").mkdir()
        (place / "home" / ".gitconfig").write_text(_USER)
        _host(place, _VICTIM.replace("VERSION", VERSION), "", place / "home")

    return once("host-files", make)


@contextlib.contextmanager
def _attacked(place: Path, victim: Path, way: str = "cold") -> Iterator[Launcher]:
    """`pinnace` in the project; no account and no gateway are needed for a shell."""
    place.mkdir()
    with launching(place, "", way) as made:
        shutil.rmtree(made.project)
        for name in ("lib", "project"):
            shutil.copytree(victim / name, made.place / name, symlinks=True)
        shutil.copy(victim / "home" / ".gitconfig", made.environment["HOME"])
        made.environment["PINNACE_ISOLATION"] = "open"
        for name in ("ANTHROPIC_API_KEY", "ANTHROPIC_BASE_URL"):
            del made.environment[name]
        yield made


@pytest.fixture(scope="session")
def verified(once: Once, victim: Path, image: str) -> Path:
    """What a launch finds out about the project's own image: that takes longer than an attack."""
    assert image

    def make(place: Path) -> None:
        with _attacked(place / "launch", victim) as made:
            done = made.run("shell", text="true")
            assert done.returncode == 0, done.stderr
            shutil.copytree(Path(made.environment["HOME"], _VERIFIED), place / "found")

    return once("host-files-verified", make) / "found"


@pytest.fixture
def attacked(tmp_path: Path, victim: Path, verified: Path, way_to_begin: str) -> Iterator[Launcher]:
    """`pinnace` in a project of its own."""
    with _attacked(tmp_path / "ours", victim, way_to_begin) as made:
        shutil.copytree(verified, Path(made.environment["HOME"], _VERIFIED))
        yield made


def _host(project: Path, script: str, ran: str, home: Path) -> str:
    """Run a script as the user would, where git finds the user's own configuration."""
    done = subprocess.run(
        ["bash", "-c", script.replace("RAN", ran)],
        check=False,
        capture_output=True,
        cwd=project,
        env={"HOME": str(home), "PATH": os.environ["PATH"], "TERM": "dumb"},
        text=True,
        stdin=subprocess.DEVNULL,
        timeout=_PATIENCE_SECONDS,
    )
    return done.stdout + done.stderr


@pytest.mark.parametrize("attack", _ALL, ids=[one.name for one in _ALL])
def test_what_this_machine_runs(attack: Attack, attacked: Launcher, victim: Path) -> None:
    home, project = Path(attacked.environment["HOME"]), attacked.project
    if attack.visit:
        _require_real(attack, victim, attacked.place / "bare", home)
    ran = attacked.place / "ran"
    _host(project, attack.setup, str(ran), home)
    kept = (project / attack.keeps).read_bytes() if attack.keeps else b""

    done = attacked.run("shell", text=f"{_EVIL}{attack.script}".replace("RAN", str(ran)))

    if attack.reported:
        _require_reported(attack, attacked, done.stderr)
    if attack.keeps:
        assert (project / attack.keeps).read_bytes() == kept
    said = _host(project, attack.visit, str(ran), home)
    assert not ran.exists(), said


def _require_real(attack: Attack, victim: Path, bare: Path, home: Path) -> None:
    """See that the user's git runs the program where nothing guards the project."""
    shutil.copytree(victim, bare, symlinks=True)
    project, ran = bare / "project", str(bare / "ran")
    said = [
        _host(project, script, ran, home)
        for script in (attack.setup, f"{_EVIL}{attack.script}", attack.visit)
    ]
    assert Path(ran).exists(), said


def _require_reported(attack: Attack, attacked: Launcher, said: str) -> None:
    assert "pinnace review" in said
    assert "\x1b" not in said
    shown = attacked.run("review")
    assert "\x1b" not in shown.stdout
    found = json.loads(attacked.run("review", "--json").stdout)["result"]
    assert attack.reported in {one["path"] for one in found["findings"]}
    reverted = attacked.run("review", "revert")
    assert reverted.returncode == 0, reverted.stderr
    again = json.loads(attacked.run("review", "--json").stdout)["result"]
    assert again["findings"] == []
