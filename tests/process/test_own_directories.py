"""What is Pinnace's own is not where Claude can write, by whatever road its path came."""

from __future__ import annotations

import subprocess
import sys
import venv as venv_module
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.process.conftest import Machine


@pytest.mark.parametrize("kind", ["CACHE", "CONFIG", "DATA", "STATE"])
@pytest.mark.parametrize("through_a_link", [False, True])
def test_none_lies_in_the_workspace(
    machine: Machine, tmp_path: Path, kind: str, *, through_a_link: bool
) -> None:
    place = machine.project / ".own"
    place.mkdir()
    (tmp_path / "link").symlink_to(place)
    named = tmp_path / "link" if through_a_link else place

    done = machine.pinnace("run", environment={f"XDG_{kind}_HOME": str(named)})

    assert done.returncode == 77
    assert f"XDG_{kind}_HOME" in done.stderr.decode()
    assert machine.docker.calls("run") == []
    assert list(place.iterdir()) == [], "something was made there before"


def test_none_lies_in_another_writable_mount(machine: Machine, tmp_path: Path) -> None:
    place = tmp_path / "more" / "below"
    place.mkdir(parents=True)
    named = {"XDG_CONFIG_HOME": str(place)}

    writable = machine.pinnace("run", "--mount", f"{tmp_path}/more:/more:rw", environment=named)
    read_only = machine.pinnace("run", "--mount", f"{tmp_path}/more:/more:ro", environment=named)

    assert writable.returncode == 77
    assert read_only.returncode == 0, read_only.stderr


@pytest.mark.parametrize("home", [".", "home"])
def test_neither_the_home_directory_nor_one_around_it_is_a_workspace(
    machine: Machine, tmp_path: Path, home: str
) -> None:
    place = machine.project / home
    place.mkdir(exist_ok=True)
    elsewhere = {
        f"XDG_{kind}_HOME": str(tmp_path / "elsewhere")
        for kind in ("CACHE", "CONFIG", "DATA", "STATE")
    }

    done = machine.pinnace("run", environment={**elsewhere, "HOME": str(place)})

    assert done.returncode == 77
    assert b"home directory" in done.stderr
    assert machine.docker.calls("run") == []


def test_no_mount_names_a_part_of_them(machine: Machine) -> None:
    machine.pinnace("run")
    place = Path(machine.environment["HOME"], ".local/state/pinnace/verified")
    assert place.is_dir()

    writable = machine.pinnace("run", "--mount", f"{place}:/more:rw")
    machine.project = place
    within = machine.pinnace("run")

    assert (writable.returncode, within.returncode) == (77, 77)
    assert len(machine.docker.calls("run")) == 1


def test_sockets_do_not_lie_in_the_workspace(machine: Machine) -> None:
    (machine.project / "runtime").mkdir()

    done = machine.pinnace(
        "run", environment={"XDG_RUNTIME_DIR": str(machine.project.resolve() / "runtime")}
    )

    assert done.returncode == 77
    assert b"XDG_RUNTIME_DIR" in done.stderr


@pytest.fixture
def venv(machine: Machine) -> Path:
    """A Python of the project's, in which Pinnace is installed."""
    made = machine.project / ".venv"
    venv_module.create(made, symlinks=True, with_pip=False)
    (site,) = made.glob("lib/python*/site-packages")
    (site / "pinnace.pth").write_text("\n".join(place for place in sys.path if place))
    return made


def test_its_own_code_does_not_lie_in_the_workspace(machine: Machine, venv: Path) -> None:
    def launched(*options: str) -> int:
        argv = [str(venv / "bin" / "python"), "-m", "pinnace", "run", *options]
        done = subprocess.run(
            argv, cwd=machine.project, env=machine.environment, check=False, timeout=60
        )
        return done.returncode

    assert launched() == 77
    assert machine.docker.calls("run") == []
    # Claude has its own directory there.
    assert launched("--private", ".venv") == 0
    assert launched("--private", "other") == 77
