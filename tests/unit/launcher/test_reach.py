"""What must be out of reach of all that runs inside."""

from __future__ import annotations

import os
import sys
import types
from pathlib import Path

import pytest

from pinnace.plan.reach import require_out_of_reach
from pinnace_core.container import Mount
from pinnace_core.errors import UnsafeRequestError
from tests.support import hosts

_PACKAGE = Path(sys.modules["pinnace"].__file__ or "").parent


def _refusal(place: Path, *, read_only: bool = False, **environment: str) -> str:
    facts = hosts.linux(environment=environment)
    mounts = [Mount(str(place), "/w", read_only=read_only)]
    try:
        require_out_of_reach(mounts, facts)
    except UnsafeRequestError as error:
        return f"{error.message}; {error.hint}"
    return ""


@pytest.mark.parametrize("place", [_PACKAGE, _PACKAGE.parent, Path(sys.prefix)])
def test_the_code_that_runs_is_not_writable_inside(place: Path) -> None:
    assert "Pinnace's own code" in _refusal(place)
    assert _refusal(place, read_only=True) == ""


def test_modules_that_this_python_loads_are_its_code(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert _refusal(tmp_path) == ""
    monkeypatch.syspath_prepend(tmp_path / "modules")
    assert "Pinnace's own code" in _refusal(tmp_path)


def test_the_working_directory_in_front_is_nobodys_code(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(hosts.linux().cwd)
    assert _refusal(tmp_path) == ""


def test_where_the_program_that_runs_lies_is_the_users(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "tools" / "ask.py"
    monkeypatch.setattr(sys.modules["__main__"], "__file__", str(program), raising=False)
    monkeypatch.syspath_prepend(tmp_path / "tools")
    assert _refusal(tmp_path) == ""


def test_a_library_beside_the_program_is_pinnaces(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    anyio = types.ModuleType("anyio")
    anyio.__file__ = str(tmp_path / "anyio" / "__init__.py")
    monkeypatch.setitem(sys.modules, "anyio", anyio)
    assert "Pinnace's own code" in _refusal(tmp_path)


def test_the_sockets_of_gateways_are_not_in_reach(tmp_path: Path) -> None:
    said = _refusal(tmp_path, XDG_RUNTIME_DIR=str(tmp_path / "run"))
    assert "Pinnace's own directory" in said
    assert "XDG_RUNTIME_DIR" in said


@pytest.mark.parametrize("read_only", [False, True])
@pytest.mark.parametrize("link", [False, True])
def test_an_engines_socket_is_not_in_reach_however_it_is_mounted(
    tmp_path: Path, *, read_only: bool, link: bool
) -> None:
    place = tmp_path / "project"
    place.mkdir()
    os.mkfifo(place / "engine.sock")
    named = place / "engine.sock"
    if link:
        named = tmp_path / "link.sock"
        named.symlink_to(place / "engine.sock")

    said = _refusal(place, read_only=read_only, DOCKER_HOST=f"unix://{named}")
    assert "root on this host" in said
