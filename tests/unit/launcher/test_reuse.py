"""Homes that are kept: what stays in one, who gets it, and when it goes."""

from __future__ import annotations

import json
import os
import re
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest

from pinnace.cleanup import scan
from pinnace.cleanup.plan import Item
from pinnace.config import NEVER, approval
from pinnace.launch import records
from pinnace.launch.reuse import home, place_of, store
from pinnace_core.container import ContainerSpec, Mount, Tmpfs
from pinnace_core.engine import named
from pinnace_core.errors import BusyError
from pinnace_images import contract
from tests.docs.markdown import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator

_ABOUT: Final = store.About("/srv/demo", "asked", "", "docker")
_NEW: Final = "home"


@pytest.fixture
def place(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A directory for one home, among those of a user."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    one = store.directory() / "a"
    one.mkdir(parents=True)
    return one


@pytest.fixture
def spec(tmp_path: Path) -> ContainerSpec:
    """A container with mounts in its home: a directory, a file, and one in memory."""
    config, names = tmp_path / "config", tmp_path / "gitconfig"
    config.mkdir()
    names.touch()
    return ContainerSpec(
        image="i",
        command=(),
        mounts=(
            Mount(str(config), contract.CONFIG_DIR),
            Mount(str(names), f"{contract.CONFIG_DIR}/CLAUDE.md", read_only=True),
            Mount(str(names), f"{contract.HOME}/.gitconfig", read_only=True),
            Mount(str(config), f"{contract.HOME}/.config/tool"),
        ),
        tmpfs=(Tmpfs(f"{contract.HOME}/.aws", "exec"), Tmpfs("/tmp", "exec")),  # noqa: S108 (inside)
    )


def _below(place: Path) -> set[str]:
    return {path.relative_to(place).as_posix() for path in place.rglob("*")}


_MOUNTED: Final = {".aws", ".claude", ".config", ".config/tool", ".gitconfig"}


def test_what_is_mounted_on_is_made_and_stays(place: Path, spec: ContainerSpec) -> None:
    home.reset(place / _NEW, spec)
    before = {name: (place / _NEW / name).stat().st_ino for name in _MOUNTED}

    home.reset(place / _NEW, spec)

    assert _below(place / _NEW) == _MOUNTED
    assert {name: (place / _NEW / name).stat().st_ino for name in _MOUNTED} == before
    assert (place / _NEW / ".gitconfig").is_file()


@pytest.mark.parametrize("kept", home.KEPT)
def test_packages_stay_and_all_beside_them_goes(
    place: Path, spec: ContainerSpec, kept: str
) -> None:
    for name in (f"{kept}/one/file", f"{Path(kept).parent}/beside", ".bashrc", ".config/git/x"):
        path = place / _NEW / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("left")

    home.reset(place / _NEW, spec)

    around = {parent.as_posix() for parent in Path(kept, "one", "file").parents} - {"."}
    assert _below(place / _NEW) == {*_MOUNTED, *around, f"{kept}/one/file"}


def test_what_stays_is_documented() -> None:
    page = (ROOT / "docs" / "standby.md").read_text(encoding="utf-8")
    part = page.partition("What is kept are")[2].partition("\n\n")[0]

    assert tuple(re.findall(r"`([^`]+)`", part)) == home.KEPT


def test_links_are_removed_and_not_followed(
    place: Path, spec: ContainerSpec, tmp_path: Path
) -> None:
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "precious").touch()
    own = place / _NEW
    (own / ".cache").mkdir(parents=True)
    for name in (".cache/pip", ".local", ".claude", ".gitconfig", ".config", "go"):
        (own / name).symlink_to(mine)

    home.reset(own, spec)

    assert _below(own) == {*_MOUNTED, ".cache"}
    assert [one.name for one in mine.iterdir()] == ["precious"]


def test_what_lies_in_the_place_of_a_mount_goes(place: Path, spec: ContainerSpec) -> None:
    own = place / _NEW
    (own / ".gitconfig" / "a").mkdir(parents=True)
    (own / ".claude").write_text("left")
    (own / ".config").mkdir()
    (own / ".config" / "tool").write_text("left")

    home.reset(own, spec)

    assert _below(own) == _MOUNTED
    assert (own / ".gitconfig").read_bytes() == b""


def test_rights_and_pipes_are_no_obstacle(place: Path, spec: ContainerSpec) -> None:
    own = place / _NEW
    (own / ".cache" / "pip").mkdir(parents=True)
    (own / "closed" / "below").mkdir(parents=True)
    (own / "closed").chmod(0)
    (own / ".cache").chmod(0)
    os.mkfifo(own / "pipe")

    home.reset(own, spec)

    assert _below(own) == {*_MOUNTED, ".cache", ".cache/pip"}


def test_a_home_is_told_by_its_place(place: Path) -> None:
    ours = Mount(str(place / _NEW), contract.HOME)
    somebodys = Mount("/srv/other/home", contract.HOME)

    assert place_of(ContainerSpec(image="i", command=(), mounts=(ours,))) == place
    assert place_of(ContainerSpec(image="i", command=(), mounts=(somebodys,))) is None
    assert place_of(ContainerSpec(image="i", command=())) is None


@pytest.fixture
def held(place: Path) -> Iterator[int]:
    """The lock of that home."""
    descriptor = store.taken(place)
    yield descriptor
    os.close(descriptor)


def test_one_launch_has_it_at_a_time(place: Path, held: int) -> None:
    store.enter(place, "pinnace-demo-1")

    assert held >= 0
    assert store.taken(place) == -1


def test_it_is_free_again_afterwards(place: Path) -> None:
    os.close(store.taken(place))
    again = store.taken(place)
    os.close(again)

    assert again >= 0


class _Engine:
    """Knows one container, or does not answer."""

    def __init__(self, found: object = None) -> None:
        self.found = found

    def container(self, _name: str) -> Any:
        return self.found


class _Found:
    def __init__(self, *, is_running: bool) -> None:
        self.is_running = is_running


@pytest.mark.parametrize(
    ("age", "found", "goes_on"),
    [
        (0, None, True),
        (0, _Found(is_running=True), True),
        (3600, None, False),
        (3600, _Found(is_running=True), True),
        (3600, _Found(is_running=False), False),
    ],
)
def test_what_a_killed_launcher_left_may_go_on(
    place: Path, age: int, found: object, *, goes_on: bool
) -> None:
    store.enter(place, "pinnace-demo-1")
    records.directory().mkdir()
    (records.directory() / "pinnace-demo-1").touch()
    then = time.time() - age
    os.utime(place / "launch", (then, then))

    assert store.goes_on(_Engine(found), place) is goes_on  # type: ignore[arg-type]


def test_what_was_removed_does_not_go_on(place: Path) -> None:
    store.enter(place, "pinnace-demo-1")

    assert not store.goes_on(_Engine(), place)  # type: ignore[arg-type]


def test_nobody_is_in_what_was_left_tidily(place: Path) -> None:
    store.enter(place, "pinnace-demo-1")
    store.leave(place)

    assert not store.goes_on(named("docker"), place)


def _filled(place: Path, about: store.About = _ABOUT) -> Path:
    os.close(store.taken(place))
    (place / _NEW / ".cache").mkdir(parents=True)
    (place / _NEW / ".cache" / "x").write_bytes(b"x" * 10_000)
    store.note(place, about)
    return place


def test_those_of_a_project_are_dropped(place: Path) -> None:
    other = _filled(place.with_name("b"), _ABOUT._replace(project="/srv/other"))
    _filled(place)
    assert store.size(place) >= 10_000

    assert store.drop("/srv/demo") == 1
    assert (place.exists(), other.exists()) == (False, True)
    assert store.drop() == 1
    assert list(store.all_kept()) == []


@pytest.mark.usefixtures("held")
def test_one_in_use_stays(place: Path) -> None:
    _filled_in_use = place / _NEW
    _filled_in_use.mkdir()
    store.note(place, _ABOUT)
    store.enter(place, "pinnace-demo-1")

    with pytest.raises(BusyError, match="1 of 1 homes that are kept are in use"):
        store.drop()
    assert _filled_in_use.is_dir()


def test_what_is_no_home_is_passed_over(place: Path) -> None:
    (place / "about.json").write_text('{"project": 1}')
    other = place.with_name("b")
    other.mkdir()
    about = dict.fromkeys(store.About._fields, "made up")
    (other / "about.json").write_text(json.dumps(about))
    (place.with_name("file")).touch()

    assert list(store.all_kept()) == []


def test_gc_removes_one_as_whoever_drops_it_does(place: Path) -> None:
    other = _filled(place.with_name("b"))
    (_filled(place) / _NEW / "closed" / "below").mkdir(parents=True)
    (place / _NEW / "closed").chmod(0)
    store.enter(other, "pinnace-demo-1")
    held = store.taken(place.with_name("c"))
    items = [Item("state", one.name, "why", id=str(one)) for one in (place, place.with_name("c"))]

    assert list(scan.remove(items, named("docker"))) == items[:1]
    assert (place.exists(), place.with_name("c").exists()) == (False, True)
    os.close(held)


def test_what_was_being_removed_goes_at_once(place: Path) -> None:
    going = place.with_name(".going-1")
    _filled(place).rename(going)

    assert list(store.all_kept()) == []
    assert store.unused() == [going]
    assert store.discard(going)
    assert not going.exists()


def test_one_that_was_never_begun_goes_after_a_week(place: Path) -> None:
    assert store.unused() == []
    then = time.time() - 8 * 86_400
    os.utime(place, (then, then))

    assert store.unused() == [place]
    assert store.discard(place)


@pytest.mark.parametrize(("days", "goes"), [(6, False), (8, True)])
def test_one_goes_after_a_week(place: Path, days: int, *, goes: bool) -> None:
    _filled(place)
    then = time.time() - days * 86_400
    os.utime(place / "about.json", (then, then))

    assert store.unused() == ([place] if goes else [])


@pytest.mark.parametrize(
    ("below", "wanted", "waits"),
    [
        (NEVER, NEVER, False),
        (NEVER, "project", True),
        (NEVER, "session", True),
        ("project", NEVER, False),
        ("project", "project", False),
        ("session", "project", True),
    ],
)
def test_a_project_does_not_turn_it_on_by_itself(below: str, wanted: str, *, waits: bool) -> None:
    assert approval.REUSE.waits(below, wanted) == waits
