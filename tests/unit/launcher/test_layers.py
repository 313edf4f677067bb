"""Layers over a project: what they change, and what of it is taken over."""

from __future__ import annotations

import os
import shutil
import stat
from typing import TYPE_CHECKING

import pytest

from pinnace import layers
from pinnace.layers import apply as applying
from pinnace.layers import changes as differing
from pinnace.layers import choose, commits, hunks, make, repository, snapshot, summary
from pinnace.layers.choose import FileSystem
from pinnace.layers.tree import DEEPEST, Tree, is_git
from pinnace_core.container import ContainerSpec, Mount
from pinnace_core.engine import named
from pinnace_core.engine.facts import EngineFacts
from pinnace_core.errors import (
    AmbiguousNameError,
    BusyError,
    EngineUnsuitableError,
    LayerMissingError,
    TooManyChangesError,
    UsageError,
)
from tests.support import hosts
from tests.support.made_layers import (
    age_all,
    applied,
    changes,
    listed,
    opaque,
    review,
    tree,
    whiteout,
)

if TYPE_CHECKING:
    from pathlib import Path

    from pinnace.layers import Layer


@pytest.fixture
def project(tmp_path: Path) -> Path:
    place = tmp_path / "project"
    (place / "src" / "deep").mkdir(parents=True)
    (place / "a").write_text("one\ntwo\n")
    (place / "src" / "b").write_text("b\n")
    (place / "src" / "deep" / "c").write_text("c\n")
    (place / "link").symlink_to("a")
    return place


@pytest.fixture
def layer(project: Path) -> Layer:
    return review(project)


def test_nothing_written_is_nothing_changed(layer: Layer) -> None:
    assert listed(layer) == {}


def test_files_are_added_changed_and_deleted(layer: Layer, project: Path) -> None:
    (layer.root / "a").write_text("one\n2\n")
    (layer.root / "src").mkdir()
    (layer.root / "src" / "new").write_text("new\n")
    whiteout(layer.root / "src" / "b")

    assert listed(layer) == {"a": "changed", "src/b": "deleted", "src/new": "added"}

    assert applied(layer) == {"a": "", "src/b": "", "src/new": ""}
    assert tree(project) == {
        "a": "one\n2\n",
        "link": "-> a",
        "src/deep/c": "c\n",
        "src/new": "new\n",
    }
    assert listed(layer) == {}, "there is nothing left"


def test_a_directory_that_is_gone_goes_whole(layer: Layer, project: Path) -> None:
    whiteout(layer.root / "src")

    assert listed(layer) == {"src/b": "deleted", "src/deep/c": "deleted"}
    applied(layer)
    assert not (project / "src").exists()


def test_a_directory_that_was_made_anew_hides_what_was_there(layer: Layer, project: Path) -> None:
    (opaque(layer.root / "src") / "b").write_text("other\n")

    assert listed(layer) == {"src/b": "changed", "src/deep/c": "deleted"}
    applied(layer)
    assert tree(project / "src") == {"b": "other\n"}
    assert not (project / "src" / "deep").exists()


def test_a_file_in_a_directorys_place_and_the_other_way_round(layer: Layer, project: Path) -> None:
    (layer.root / "src").write_text("now a file\n")
    (opaque(layer.root / "a") / "inner").write_text("x\n")

    assert listed(layer) == {
        "a": "deleted",
        "a/inner": "added",
        "src": "added",
        "src/b": "deleted",
        "src/deep/c": "deleted",
    }
    applied(layer)
    assert tree(project) == {"a/inner": "x\n", "link": "-> a", "src": "now a file\n"}


def test_links_and_rights_are_changes(layer: Layer, project: Path) -> None:
    (layer.root / "link").symlink_to("src/b")
    (layer.root / "a").write_text("one\ntwo\n")
    (layer.root / "a").chmod(0o755)

    assert listed(layer) == {"a": "mode", "link": "changed"}
    applied(layer)
    assert (project / "link").readlink().as_posix() == "src/b"
    assert stat.S_IMODE((project / "a").stat().st_mode) == 0o755


def test_a_link_in_a_files_place_is_another_kind(layer: Layer, project: Path) -> None:
    (layer.root / "a").symlink_to("src/b")

    assert listed(layer) == {"a": "type"}
    applied(layer)
    assert (project / "a").is_symlink()


def test_what_is_the_same_again_is_no_change(layer: Layer, project: Path) -> None:
    shutil.copy2(project / "a", layer.root / "a")
    (layer.root / "link").symlink_to("a")
    whiteout(layer.root / "never")

    assert listed(layer) == {}


def test_of_gits_own_directories_nothing_is_a_change(layer: Layer) -> None:
    for name in (".git", ".GIT", "src/.git", "sub/.git/hooks", ".g\u200cit", "git~1", ".git "):
        (layer.root / name).mkdir(parents=True, exist_ok=True)
        (layer.root / name / "config").write_text("[core]\n\tfsmonitor = evil\n")

    assert listed(layer) == {}


@pytest.mark.parametrize("based", [True, False])
def test_what_was_changed_here_too_is_never_taken_over(project: Path, *, based: bool) -> None:
    layer = review(project, based=based)
    (layer.root / "a").write_text("theirs\n")
    (layer.root / "src").mkdir()
    whiteout(layer.root / "src" / "b")
    (layer.root / "added").write_text("theirs\n")
    for name in ("a", "src/b", "added"):
        (project / name).write_text("ours\n")

    assert {c.path: c.conflict for c in changes(layer).values()} == {
        "a": True,
        "added": True,
        "src/b": True,
    }
    assert all(applied(layer).values())
    assert {(project / name).read_text() for name in ("a", "src/b", "added")} == {"ours\n"}


def test_what_was_removed_here_is_not_brought_back_unseen(layer: Layer, project: Path) -> None:
    (layer.root / "a").write_text("theirs\n")
    (project / "a").unlink()

    assert changes(layer)["a"].conflict
    assert applied(layer)["a"]
    assert not (project / "a").exists()


def test_the_same_change_here_is_no_conflict(layer: Layer, project: Path) -> None:
    for place in (layer.root, project):
        (place / "a").write_text("both\n")

    assert listed(layer) == {}


def test_a_change_that_keeps_size_and_time_is_seen(layer: Layer, project: Path) -> None:
    status = (project / "a").stat()
    (project / "a").write_text("ONE\nTWO\n")
    os.utime(project / "a", ns=(status.st_atime_ns, status.st_mtime_ns))
    (layer.root / "a").write_text("theirs\n")

    assert changes(layer)["a"].conflict


def test_what_is_changed_while_it_is_looked_at_counts_as_changed(project: Path) -> None:
    layer = review(project, based=False)
    (project / "a").write_text("a moment later\n")
    marks = snapshot.take(str(project), layer.begun)
    assert marks is not None
    snapshot.write(layer.place, marks)
    (layer.root / "a").write_text("theirs\n")

    assert changes(layer)["a"].conflict
    assert not changes(layer).get("src/b")


def test_a_change_between_the_look_and_the_taking_is_seen(layer: Layer, project: Path) -> None:
    (layer.root / "a").write_text("theirs\n")
    (layer.root / "new").write_text("theirs\n")
    found = differing.differences(layer)
    (project / "a").write_text("ours\n")
    (project / "new").write_text("ours\n")

    outcomes = list(_applied_later(layer, found))

    assert all(outcomes)
    assert (project / "a").read_text() == (project / "new").read_text() == "ours\n"


def _applied_later(layer: Layer, found: list[differing.Change]) -> list[str]:
    return [outcome.why for outcome in applying.apply(layer, found)]


@pytest.mark.parametrize(
    "link",
    [
        *("/etc/passwd", "..", "../x", "src/../../x", "link/../../x", "src/deep/../..", "./../x"),
        *(".git/hooks", "src/.GIT/config", "a/.."),
    ],
)
def test_no_link_that_leads_out_is_taken_over(layer: Layer, project: Path, link: str) -> None:
    (layer.root / "out").symlink_to(link)

    assert "leads out" in changes(layer)["out"].refused
    assert applied(layer)["out"]
    assert not (project / "out").is_symlink()


@pytest.mark.parametrize(("place", "link"), [("l", "src/b"), ("src/l", "../a"), ("src/l", "./b")])
def test_a_link_that_stays_is(layer: Layer, project: Path, place: str, link: str) -> None:
    (layer.root / "src").mkdir()
    (layer.root / place).symlink_to(link)

    assert applied(layer) == {place: ""}
    assert (project / place).readlink() == (layer.root / place).readlink()


def test_no_pipe_device_or_set_id_file_is_taken_over(layer: Layer, project: Path) -> None:
    os.mkfifo(layer.root / "pipe")
    os.mkfifo(layer.root / "a")
    for name, bit in (("uid", stat.S_ISUID), ("gid", stat.S_ISGID)):
        (layer.root / name).write_text("x")
        (layer.root / name).chmod(0o755 | bit)

    found = changes(layer)

    assert {path: change.what for path, change in found.items()} == {
        "a": "special",
        "gid": "added",
        "pipe": "special",
        "uid": "added",
    }
    assert all(applied(layer).values())
    assert sorted(path.name for path in project.iterdir()) == ["a", "link", "src"]


def test_a_link_here_is_not_gone_through(layer: Layer, project: Path, tmp_path: Path) -> None:
    """A directory of the project's that is a link now may lead anywhere."""
    outside = tmp_path / "outside"
    outside.mkdir()
    (layer.root / "src").mkdir()
    (layer.root / "src" / "planted").write_text("x\n")
    shutil.rmtree(project / "src")
    (project / "src").symlink_to(outside)

    assert all(applied(layer).values())
    assert list(outside.iterdir()) == []


def test_a_link_in_the_layer_is_not_gone_through(layer: Layer, project: Path) -> None:
    (layer.root / "new").write_text("theirs\n")
    found = differing.differences(layer)
    (layer.root / "new").unlink()
    (layer.root / "new").symlink_to("/etc/passwd")

    assert all(_applied_later(layer, found))
    assert not os.path.lexists(project / "new")


def test_what_lies_too_deep_is_neither_listed_nor_waited_for(layer: Layer) -> None:
    here = os.open(layer.root, os.O_RDONLY)
    for _ in range(3 * DEEPEST):
        os.mkdir("d", dir_fd=here)
        below = os.open("d", os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = below
    os.close(os.open("f", os.O_CREAT | os.O_WRONLY, dir_fd=here))
    os.close(here)

    assert listed(layer) == {}
    make.drop(layer)
    assert not layer.place.exists()


def test_too_many_changes_are_refused(layer: Layer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(differing, "MOST", 3)
    for number in range(5):
        (layer.root / str(number)).write_text("x")

    with pytest.raises(TooManyChangesError):
        differing.differences(layer)


@pytest.mark.parametrize("name", ["\x1b[2Jx", "new\nline", "\u202egnp.exe", "-rf", "ü", "\udcff"])
def test_any_name_is_taken_over_as_it_is(layer: Layer, project: Path, name: str) -> None:
    (layer.root / name).write_text("x\n")

    assert applied(layer) == {name: ""}
    assert (project / name).read_text() == "x\n"


def test_what_the_machine_would_run_is_marked(layer: Layer) -> None:
    (layer.root / ".vscode").mkdir()
    (layer.root / ".vscode" / "tasks.json").write_text("{}")
    (layer.root / "plain").write_text("{}")

    found = changes(layer)

    assert found[".vscode/tasks.json"].runs
    assert not found["plain"].runs


def test_links_by_which_the_machine_would_run_something_are_marked(
    layer: Layer, project: Path
) -> None:
    for name in ("shared", ".config"):
        (project / name).mkdir()
    (project / ".claude").symlink_to("shared")
    (project / ".config" / "mise").symlink_to("../shared")
    (layer.root / "shared").mkdir()
    (layer.root / "shared" / "settings.json").write_text("{}")
    (layer.root / "shared" / "mise.txt").write_text("{}")
    (layer.root / "plain").symlink_to("shared")
    for name in (".vscode", ".venv", ".Claude", "package.json", ".env", ".gitattributes"):
        (layer.root / name).symlink_to("shared/x")

    found = {path: bool(change.runs) for path, change in changes(layer).items()}

    assert found.pop("plain") is False
    assert all(found.values()), found


def test_what_became_one_that_the_machine_runs_meanwhile_stays_there(
    layer: Layer, project: Path
) -> None:
    (layer.root / "package.json").write_text("{}")
    (layer.root / ".env").write_text("A=1")
    looked_at = differing.differences(layer)
    (layer.root / "package.json").write_text('{"scripts": {"postinstall": "evil"}}')
    (layer.root / ".env").unlink()
    (layer.root / ".env").symlink_to("plain")

    outcomes = {one.change.path: one.why for one in applying.apply(layer, looked_at)}

    assert all("look at it again" in outcomes[name] for name in (".env", "package.json"))
    assert not (project / "package.json").exists()
    assert not (project / ".env").is_symlink()
    assert [path.name for path in project.iterdir() if path.name.startswith(".pinnace")] == []


def _text(layer: Layer, path: str) -> list[str]:
    return list(hunks.shown(layer, changes(layer)[path]))


def test_a_change_is_shown_as_unified_hunks(layer: Layer) -> None:
    (layer.root / "a").write_text("one\n2")

    assert _text(layer, "a") == [
        "diff --pinnace a",
        "--- a/a",
        "+++ b/a",
        "@@ -1,2 +1,2 @@",
        " one",
        "-two",
        "+2",
        "\\ No newline at end of file",
    ]


@pytest.mark.parametrize("data", [b"\x00\x01", b"\x1b[31mred", b"\xff", "\u202e".encode()])
def test_what_a_terminal_would_obey_is_not_shown(layer: Layer, data: bytes) -> None:
    (layer.root / "a").write_bytes(data)

    assert _text(layer, "a") == ["diff --pinnace a", f"changed: {len(data)} bytes, binary"]


def test_what_is_large_is_not_shown(layer: Layer) -> None:
    with (layer.root / "a").open("wb") as stream:
        stream.truncate(20 << 30)
    (layer.root / "lines").write_text("x\n" * 50_000)

    assert _text(layer, "a")[1] == f"changed: {20 << 30} bytes, too large to be shown"
    assert "too many to be shown" in _text(layer, "lines")[1]


def test_other_changes_are_said_in_a_word(layer: Layer) -> None:
    (layer.root / "a").write_text("one\ntwo\n")
    (layer.root / "a").chmod(0o755)
    (layer.root / "empty").touch()
    os.mkfifo(layer.root / "pipe")

    assert _text(layer, "a")[1].startswith("old mode 6")
    assert _text(layer, "empty")[1] == "added: empty"
    assert "never" not in _text(layer, "pipe")[1]


def test_a_summary_counts(layer: Layer) -> None:
    (layer.root / ".envrc").write_text("x")
    (layer.root / "x.log").write_text("x")
    found = [c._replace(ignored=c.path == "x.log") for c in changes(layer).values()]

    said = summary.of(found, 1).text

    assert said == (
        "1 file changed, 1 that this machine would run, 1 file that git ignores, "
        "1 branch with commits"
    )
    assert summary.of([], 0).is_empty


def test_layers_are_found_by_name_and_project(layer: Layer, project: Path, tmp_path: Path) -> None:
    here = str(project)
    assert layers.chosen("", here) == layers.chosen("c0ffee", here) == layer
    second = review(project, "demo-beef00")
    assert [one.name for one in layers.all_of(here)] == [layer.name, second.name]
    with pytest.raises(AmbiguousNameError):
        layers.chosen("", here)
    with pytest.raises(LayerMissingError):
        layers.chosen("nosuch", here)
    with pytest.raises(UsageError):
        layers.chosen(layer.name, str(tmp_path))


@pytest.mark.parametrize("name", ["../runs", "", "/etc", ".work", "a/b", "A", "x" * 65])
def test_no_name_leads_elsewhere(layer: Layer, name: str) -> None:
    assert layers.load(name) is None
    assert layers.load(layer.name) == layer


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"schema": 2}', "[" * 9999])
def test_a_broken_record_is_no_layer(layer: Layer, text: str) -> None:
    (layer.place / "layer.json").write_text(text)

    assert layers.all_of() == []


def test_a_layer_is_one_launchs_at_a_time(layer: Layer) -> None:
    assert not make.is_held(layer)
    with make.held(layer):
        assert make.is_held(layer)
        with pytest.raises(BusyError), make.held(layer):
            pass
    assert not make.is_held(layer)


def test_what_is_dropped_is_gone_and_its_work_directory_is_used_again(project: Path) -> None:
    layer = review(project)
    (layer.place / "work").mkdir()
    closed = layer.root / "closed"
    closed.mkdir()
    (closed / "x").write_text("x")
    closed.chmod(0o555)

    make.drop(layer)

    assert not layer.place.exists()
    assert len(list((layers.directory() / ".work").iterdir())) == 1
    assert (project / "a").exists()


def test_a_tree_is_left_by_no_name(project: Path) -> None:
    with Tree(project) as found:
        for path in ("..", "src/..", "../x", ".", "src/./b", "", "link/../a", "link", "src"):
            with pytest.raises(OSError):  # noqa: PT011 (which one is up to the system)
                os.close(found.open(path))


@pytest.mark.parametrize(
    ("name", "is_one"),
    [
        *((".git", True), (".GiT", True), ("git~1", True), (".git.", True)),
        *((".git::$INDEX", True), (".gitignore", False), ("git", False), (".github", False)),
    ],
)
def test_names_that_git_takes_for_its_own(name: str, *, is_one: bool) -> None:
    assert is_git(name) is is_one


def test_marks_outlast_any_name(project: Path) -> None:
    (project / "new\nline\udcff").write_text("x")
    age_all(project)
    marks = snapshot.take(str(project), 2e9)
    assert marks is not None
    snapshot.write(project, marks)

    assert snapshot.read(project) == marks
    assert snapshot.read(project / "src") is None


def test_an_overlay_is_spelled_for_each_engine() -> None:
    mount = Mount("/s/lower", "/srv/a,b", upper="/s/upper", work="/s/work")
    spec = ContainerSpec(image="i", command=("c",), mounts=(mount,))

    assert named("docker").argv(spec)[-3] == (
        '--mount=type=volume,"target=/srv/a,b",volume-driver=local,volume-opt=type=overlay,'
        'volume-opt=device=overlay,"volume-opt=o=lowerdir=/s/lower,upperdir=/s/upper,'
        'workdir=/s/work,userxattr,index=off"'
    )
    assert named("podman").argv(spec)[-3] == (
        "--volume=/s/lower:/srv/a,b:O,upperdir=/s/upper,workdir=/s/work"
    )


EXT4 = [FileSystem("/", "ext4")]


@pytest.mark.parametrize(
    ("mounted", "said"),
    [
        (EXT4, ""),
        ([FileSystem("/", "overlay")], "overlay, which takes none"),
        ([*EXT4, FileSystem("/srv", "nfs4")], "the project is on nfs4"),
        ([*EXT4, FileSystem("/srv/demo", "fuse.sshfs")], "fuse.sshfs"),
        ([*EXT4, FileSystem("/srv/demo/data", "ext4")], "another file system"),
        ([*EXT4, FileSystem("/srv/demolition", "nfs")], ""),
        ([FileSystem("/", "nfs"), FileSystem("/", "xfs")], ""),
    ],
)
def test_where_no_layer_can_be_it_is_said(mounted: list[FileSystem], said: str) -> None:
    why = choose.obstacle(hosts.linux(), EngineFacts(), hosts.workspace(), mounted)

    assert said in why
    assert bool(why) is bool(said)


@pytest.mark.parametrize(
    "engine",
    [
        EngineFacts(rootless=True),
        EngineFacts(desktop="Docker Desktop"),
        EngineFacts(kind="podman"),
        EngineFacts(kind="podman", rootless=True, desktop="podman machine"),
    ],
)
def test_where_the_engine_has_none_there_is_a_clone(engine: EngineFacts) -> None:
    choice = choose.choose("review", hosts.linux(), engine, hosts.workspace())

    assert choice.kind == "clone"
    assert "a clone instead of a layer" in choice.note


def test_podmans_layers_are_cut_by_colons() -> None:
    engine = EngineFacts(kind="podman", rootless=True)
    plain, odd = hosts.workspace(), hosts.workspace("/srv/a:b")

    assert choose.obstacle(hosts.linux(), engine, plain, EXT4) == ""
    assert "cuts" in choose.obstacle(hosts.linux(), engine, odd, EXT4)
    assert choose.obstacle(hosts.linux(), EngineFacts(), odd, EXT4) == ""


def test_the_marks_of_fuse_overlayfs_are_none_of_the_projects(layer: Layer) -> None:
    place = layer.root / "src"
    place.mkdir()
    os.setxattr(place, "user.fuseoverlayfs.opaque", b"y")
    (place / ".wh..wh..opq").touch()
    whiteout(place / ".wh..opq")
    (place / "b").write_text("other\n")

    assert listed(layer) == {"src/b": "changed", "src/deep/c": "deleted"}


def test_a_clone_is_a_clone_and_on_windows_neither_is() -> None:
    assert choose.choose("clone", hosts.macos(), EngineFacts(), hosts.workspace()).kind == "clone"
    with pytest.raises(EngineUnsuitableError):
        choose.choose("review", hosts.windows(), EngineFacts(), hosts.workspace())


def test_an_old_kernel_has_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(choose, "kernel", lambda: (5, 10))

    assert "kernel" in choose.obstacle(hosts.linux(), EngineFacts(), hosts.workspace(), EXT4)


def test_a_state_directory_that_cuts_options_has_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", "/srv/a,b")

    assert "cuts" in choose.obstacle(hosts.linux(), EngineFacts(), hosts.workspace(), EXT4)


def test_what_is_mounted_is_read(tmp_path: Path) -> None:
    table = tmp_path / "mountinfo"
    table.write_text(
        "36 35 98:0 / /a\\040b rw,noatime master:1 - ext3 /dev/root rw\n1 2 3:4 /\nbroken\n"
    )

    assert choose.file_systems(str(table)) == [FileSystem("/a b", "ext3")]
    assert choose.file_systems(str(tmp_path / "none")) == []


COMMIT = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture
def git(tmp_path: Path) -> Path:
    place = tmp_path / "git"
    repository.make_plain(place)
    return place


def test_references_are_read_as_files(git: Path) -> None:
    (git / "packed-refs").write_text(
        f"# pack-refs with: peeled\n{COMMIT} refs/heads/packed\n^{COMMIT}\n{COMMIT} refs/tags/v1\n"
        f"{COMMIT} refs/heads/../../evil\nnothing refs/heads/x\n"
    )
    (git / "refs/heads/new").write_text(f"{COMMIT[::-1]}\n")
    (git / "refs/heads/link").symlink_to("/etc/passwd")
    (git / "refs/heads/bad.lock").write_text(f"{COMMIT}\n")
    os.mkfifo(git / "refs/heads/pipe")

    assert repository.references(git) == {
        "refs/heads/new": COMMIT[::-1],
        "refs/heads/packed": COMMIT,
        "refs/tags/v1": COMMIT,
    }


@pytest.mark.parametrize(
    "name",
    [
        *("a..b", "a b", "a\x1b", "/a", "a/", "a.lock", ".a", "a/.b", "a~1", "a^", "a:b", "a?"),
        *("a*", "a[", "a\\b", "a@{1", "@", "a//b", "a.", "\u202e", "x" * 300),
    ],
)
def test_names_that_git_refuses(name: str) -> None:
    assert not repository.is_name(name)


def test_new_branches_are_told_from_old_ones(project: Path, git: Path) -> None:
    shutil.move(git, project / ".git")
    ours = project / ".git"
    (ours / "refs/heads/main").write_text(f"{COMMIT}\n")
    (ours / "refs/heads/moved").write_text(f"{COMMIT}\n")
    layer = review(project)._replace(git=str(ours), common=str(ours))
    commits.keep_base(layer)
    theirs = layer.root / ".git"
    repository.make_plain(theirs)
    (theirs / "refs/heads/main").write_text(f"{COMMIT}\n")
    for name in ("moved", "new"):
        (theirs / "refs/heads" / name).write_text(f"{COMMIT[::-1]}\n")

    found = {branch.name: branch.commit for branch in commits.new(layer)}

    assert found == {"moved": COMMIT[::-1], "new": COMMIT[::-1]}
