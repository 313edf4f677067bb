"""Where a project starts, and where it appears inside."""

from __future__ import annotations

import csv
import io
import os
import posixpath
import re
from pathlib import Path, PureWindowsPath
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pinnace.config import project as workspace
from pinnace_core.container import ContainerSpec, Mount
from pinnace_core.engine.docker import Docker
from pinnace_core.errors import UnsafeRequestError
from pinnace_images import contract
from tests.docs.markdown import ROOT
from tests.support import hosts

if TYPE_CHECKING:
    from pinnace_core.host import HostOs


@pytest.fixture
def home(tmp_path: Path) -> Path:
    place = tmp_path / "people" / "somebody"
    place.mkdir(parents=True)
    return place


def _mark(directory: Path, kind: str) -> Path:
    directory.mkdir(parents=True, exist_ok=True)
    if kind == ".git directory":
        (directory / ".git").mkdir()
    elif kind == ".git file":
        (directory / ".git").write_text("gitdir: elsewhere\n")
    else:
        (directory / ".claude-version").write_text("2.1.330\n")
    return directory


_KINDS = pytest.mark.parametrize("kind", [".git directory", ".git file", "pin file"])


@_KINDS
def test_a_root_is_found_above(home: Path, kind: str) -> None:
    root = _mark(home / "project", kind)
    (root / "a" / "b").mkdir(parents=True)

    assert workspace.find_root(root / "a" / "b", home=home) == root


@pytest.mark.parametrize("kind", [".git directory", ".git file"])
def test_the_nearest_repository_counts(home: Path, kind: str) -> None:
    _mark(home / "project", ".git directory")
    inner = _mark(home / "project" / "inner", kind)

    assert workspace.find_root(inner, home=home) == inner


def test_a_pin_inside_a_repository_does_not_cut_it_in_two(home: Path) -> None:
    outer = _mark(home / "project", ".git directory")
    inner = _mark(outer / "inner", "pin file")

    assert workspace.find_root(inner, home=home) == outer


def test_without_a_mark_the_directory_itself_is_the_project(home: Path) -> None:
    place = home / "a" / "b"

    assert workspace.find_root(place, home=home) == place


@_KINDS
@pytest.mark.parametrize("levels_up", [0, 1])
def test_home_and_above_are_never_a_project(home: Path, kind: str, levels_up: int) -> None:
    _mark((home, home.parent)[levels_up], kind)
    place = home / "notes"
    place.mkdir()

    assert workspace.find_root(place, home=home) == place


def test_home_reached_under_another_name_is_no_project_either(home: Path, tmp_path: Path) -> None:
    _mark(home, ".git directory")
    (home / "notes").mkdir()
    other_name = tmp_path / "people-of-old"
    other_name.symlink_to(home.parent)
    place = home / "notes"

    assert workspace.find_root(place, home=other_name / home.name) == place


def test_a_project_elsewhere_is_not_bounded_by_home(home: Path, tmp_path: Path) -> None:
    root = _mark(tmp_path / "srv" / "project", ".git directory")

    assert workspace.find_root(root, home=home) == root


def test_root_and_working_directory_are_told_apart(home: Path) -> None:
    root = _mark(home / "project", ".git directory")
    (root / "a").mkdir()

    found = workspace.locate(hosts.linux(cwd=str(root / "a"), home=str(home)))

    assert (found.source, found.target) == (str(root), str(root))
    assert found.workdir == str(root / "a")


def test_the_owner_is_the_one_of_the_root(home: Path) -> None:
    root = _mark(home / "project", ".git directory")
    status = root.stat()

    found = workspace.locate(hosts.linux(cwd=str(root), home=str(home)))

    assert found.owner == (status.st_uid, status.st_gid)


def test_behind_a_symlink_the_users_name_of_the_place_is_kept(home: Path, tmp_path: Path) -> None:
    _mark(home / "project", ".git directory")
    link = tmp_path / "link"
    link.symlink_to(home / "project")

    found = workspace.locate(hosts.linux(cwd=str(link), home=str(home)))

    assert found.source == str(home / "project"), "what the link means is decided once"
    assert (found.target, found.workdir) == (str(link), str(link))


@pytest.mark.parametrize("outside_has_a_repository", [True, False])
def test_a_link_planted_in_a_project_opens_nothing_else(
    home: Path, tmp_path: Path, *, outside_has_a_repository: bool
) -> None:
    project = _mark(home / "project", ".git directory")
    secret = tmp_path / "secret"
    secret.mkdir()
    if outside_has_a_repository:
        _mark(secret, ".git directory")
    (project / "sub").symlink_to(secret)

    with pytest.raises(UnsafeRequestError, match="leads out of the project"):
        workspace.locate(hosts.linux(cwd=str(project / "sub"), home=str(home)))


def test_a_link_inside_a_project_is_fine(home: Path) -> None:
    project = _mark(home / "project", ".git directory")
    (project / "real").mkdir()
    (project / "link").symlink_to("real")

    found = workspace.locate(hosts.linux(cwd=str(project / "link"), home=str(home)))

    assert (found.source, found.workdir) == (str(project), str(project / "link"))


@pytest.mark.parametrize("place", ["/", "/etc", "/etc/x", "/usr", "{home}", "{home}/..", "{root}"])
def test_a_config_directory_opens_nothing_else(home: Path, place: str) -> None:
    root = _mark(home / "project", ".git directory")
    project = workspace.locate(hosts.linux(cwd=str(root), home=str(home)))

    for below in ("", "/below") if place == "{root}" else ("",):
        config = Path(place.format(home=home, root=root) + below)
        with pytest.raises(UnsafeRequestError, match="config directory"):
            workspace.require_apart(config, project, home)

    workspace.require_apart(home / "config", project, home)


@pytest.mark.parametrize(
    "path",
    [
        *("/", "/bin", "/boot", "/home", "/home/agent", "/lib", "/lib64", "/opt", "/run", "/sbin"),
        *("/tmp", "/usr", "/usr/bin", "/usr/local/bin", "/var", "/var/lib"),  # noqa: S108
        *("/bin/x", "/lib/x", "/lib64/x", "/sbin/x", "/boot/x", "/usr/bin/x", "/usr/lib/x/y"),
        *("/usr/local", "/usr/local/lib/x", "/usr/share/doc", "/usr/libexec/git-core"),
        *("/dev", "/dev/shm", "/etc", "/etc/ssh", "/proc", "/proc/1", "/sys", "/sys/fs"),  # noqa: S108
        *("/opt/claude", "/opt/claude/bin", "/home/agent/.claude", "/home/agent/.claude/projects"),
    ],
)
def test_a_place_that_the_image_needs_is_refused(path: str) -> None:
    with pytest.raises(UnsafeRequestError) as caught:
        workspace.inside(path, "linux")

    assert caught.value.exit_code == 77
    assert f"'{path}'" in caught.value.message
    assert caught.value.hint


@pytest.mark.parametrize(
    "path",
    [
        *("/home/agent/project", "/home/somebody", "/opt/other", "/tmp/x", "/usr/src/demo"),  # noqa: S108
        *("/usr/local/src/demo", "/usr/home/me", "/usr/sharedwork", "/binary"),
        *("/var/lib/jenkins", "/data/project", "/srv/a b,c:d/ü 'q'", "/etcetera"),
    ],
)
def test_any_other_place_appears_at_its_own_path(path: str) -> None:
    assert workspace.inside(path, "linux") == path


@pytest.mark.parametrize(
    ("path", "target"),
    [
        (r"C:\a b", "/c/a b"),
        (r"c:\a b\x,y", "/c/a b/x,y"),
        ("D:\\", "/d"),
        ("C:/Users/me/demo", "/c/Users/me/demo"),
        (r"\\server\share\x", "/server/share/x"),
        (r"\\Server\Share$\x\y z", "/server/share$/x/y z"),
        (r"\\?\C:\a b", "/c/a b"),
        (r"\\?\UNC\Server\Share\x", "/server/share/x"),
        (r"\\.\C:\a", "/c/a"),
        (r"\\wsl.localhost\Debian\home\me\demo", "/wsl.localhost/debian/home/me/demo"),
        (r"\\wsl$\Debian\srv", "/wsl$/debian/srv"),
        ("C:\\ü 'q'\\$HOME -x\\", "/c/ü 'q'/$HOME -x"),
    ],
)
def test_a_windows_path_becomes_a_posix_one(path: str, target: str) -> None:
    assert workspace.inside(path, "windows") == target


@pytest.mark.parametrize("path", [r"\\etc\ssh\x", r"\\proc\1\x", r"\\home\agent"])
def test_a_windows_share_cannot_hide_what_the_image_needs(path: str) -> None:
    with pytest.raises(UnsafeRequestError):
        workspace.inside(path, "windows")


def test_starting_in_a_refused_place_is_an_error(home: Path) -> None:
    with pytest.raises(UnsafeRequestError):
        workspace.locate(hosts.linux(cwd="/etc", home=str(home)))


_QUICK = settings(deadline=None, database=None)
_names = st.text(
    st.sampled_from("ab ,:;\"'$-=~`\\*?\n\tü\u65e5\U0001f600")
    | st.characters(exclude_characters="/\0", exclude_categories=["Cs"]),
    min_size=1,
).filter(lambda name: name not in {".", ".."})
_places = st.lists(
    st.sampled_from(["etc", "proc", "home", "agent", "usr", "opt", "claude", "tmp"]) | _names,
    min_size=1,
    max_size=5,
)
_windows_names = st.text(
    st.characters(exclude_characters='/\\:*?"<>|\0', exclude_categories=["Cs", "Cc"]), min_size=1
).filter(lambda name: name not in {".", ".."})


def _place(path: str, host: HostOs) -> str | None:
    try:
        return workspace.inside(path, host)
    except UnsafeRequestError:
        return None


@_QUICK
@given(names=_places, slashes=st.integers(1, 3), end=st.sampled_from(["", "/", "//"]))
def test_a_place_inside_is_the_path_itself_or_refused(
    names: list[str], slashes: int, end: str
) -> None:
    plain = "/" + "/".join(names)

    found = _place("/" * slashes + "/".join(names) + end, "linux")

    assert found == _place(plain, "linux"), "how it is written makes no difference"
    assert found in {plain, None}
    assert (found is None) == _is_needed(plain)


def _is_needed(path: str) -> bool:
    needed = ("/dev", "/etc", "/proc", "/sys", "/opt/claude", "/home/agent/.claude")
    exact = {"/", "/bin", "/home", "/home/agent", "/lib", "/opt", "/run", "/tmp", "/usr", "/var"}  # noqa: S108
    return path in exact or any(path == n or path.startswith(f"{n}/") for n in needed)


@_QUICK
@given(
    drive=st.sampled_from("CDcz"),
    names=st.lists(_windows_names, max_size=4),
    slash=st.sampled_from("\\/"),
)
def test_a_place_on_a_drive_is_below_its_letter(drive: str, names: list[str], slash: str) -> None:
    path = f"{drive}:{slash}" + slash.join(names)

    found = workspace.inside(path, "windows")

    assert found == posixpath.join(f"/{drive.lower()}", *names)
    assert PureWindowsPath(f"{found[1]}:/", *found.split("/")[2:]) == PureWindowsPath(path)


@_QUICK
@given(names=_places)
def test_any_path_arrives_whole_at_the_engine(names: list[str]) -> None:
    path = "/" + "/".join(names)
    plan = ContainerSpec(image="i", command=("c",), workdir=path, mounts=(Mount(path, path),))

    argv = Docker().argv(plan)

    (option,) = (a.removeprefix("--mount=") for a in argv if a.startswith("--mount="))
    (record,) = csv.reader(io.StringIO(option, newline=""), strict=True)
    assert record == ["type=bind", f"source={path}", f"target={path}"]
    assert f"--workdir={path}" in argv


def test_a_second_leading_slash_hides_nothing(tmp_path: Path) -> None:
    with pytest.raises(UnsafeRequestError):
        workspace.locate(hosts.linux(cwd="//etc", home=str(tmp_path)))


@pytest.mark.skipif(os.name == "nt" or os.getuid() != 0, reason="only root can give files away")
@pytest.mark.parametrize("kind", [".git directory", ".git file"])
def test_a_strangers_repository_where_anybody_may_write_is_no_project(
    home: Path, kind: str
) -> None:
    # As in /tmp: all of it would be mounted, and the stranger's hooks would run inside.
    shared = _mark(home / "shared", kind)
    (shared / "mine").mkdir()
    os.chown(shared / ".git", 54321, 54321)
    assert workspace.find_root(shared / "mine", home=home) == shared

    shared.chmod(0o1777)

    assert workspace.find_root(shared / "mine", home=home) == shared / "mine"


def test_the_refused_places_are_those_of_the_documentation() -> None:
    page = (ROOT / "docs" / "launcher.md").read_text(encoding="utf-8")
    (item,) = re.findall(
        r"^- Places that the image needs.*?(?=^\S)", page, re.MULTILINE | re.DOTALL
    )
    named = set(re.findall(r"`(/[^`]*)`", item))
    everywhere = workspace._OF_THE_IMAGE | set(workspace._UNTOUCHABLE)  # noqa: SLF001

    assert named == everywhere | {contract.HOME}
