"""Layers and clones, with an engine that only says that it did: what is asked of it and left."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pinnace import layers
from pinnace.layers import Layer, changes, clone, commits, make, repository
from pinnace_core.errors import CloneFailedError
from tests.support.fake_docker import INFO, as_json
from tests.support.git import git
from tests.support.made_layers import age_all, listed, review, tree
from tests.support.soak import rounds

if TYPE_CHECKING:
    from tests.process.conftest import Machine

pytestmark = pytest.mark.skipif(os.name == "nt", reason="neither is possible there")


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A repository with work that is not committed."""
    place = tmp_path / "project"
    (place / "src").mkdir(parents=True)
    (place / "a").write_text("a\n")
    (place / "src" / "run").write_text("#!/bin/sh\n")
    (place / "src" / "run").chmod(0o755)
    (place / ".gitignore").write_text("*.log\n")
    git(place, "init", "-qb", "main", ".")
    git(place, "add", "-A")
    git(place, "commit", "-qm", "first")
    (place / "a").write_text("a\nmore\n")
    (place / "staged").write_text("staged\n")
    git(place, "add", "staged")
    (place / "untracked").symlink_to("a")
    (place / "x.log").write_text("ignored\n")
    age_all(place)
    return place


def _cloned(project: Path) -> Layer:
    git = str(project / ".git")
    made = Layer("demo-c0ffee", "clone", str(project), str(project), 1e9, git, git, "pinnace-x")
    make.make(made)
    # Inside, objects are found where they are lent.
    alternates = made.root / ".git/objects/info/alternates"
    assert alternates.read_text() == "/var/lib/pinnace/git/objects\n"
    alternates.write_text(f"{git}/objects\n")
    return made


def _state(machine: Machine) -> Path:
    return Path(machine.environment["HOME"], ".local", "state", "pinnace", "layers")


def test_a_launch_has_an_overlay_and_leaves_nothing(machine: Machine) -> None:
    done = machine.pinnace("run", "--review")

    assert done.returncode == 0, done.stderr
    (argv,) = machine.docker.calls("run")
    (mount,) = [word for word in argv if "type=overlay" in word]
    assert f"target={machine.project}" in mount
    place = next(iter(mount.split("lowerdir=")[1].split(","))).removesuffix("/lower")
    assert Path(place).parent == _state(machine)
    assert not [word for word in argv if f"source={machine.project}" in word]
    assert {path.name for path in _state(machine).iterdir()} == {".work"}


def test_a_dry_run_makes_nothing(machine: Machine) -> None:
    done = machine.pinnace("run", "--review", "--dry-run")

    assert b"overlay" in done.stdout
    assert b"a launch would first make" in done.stderr
    assert not _state(machine).exists()


@pytest.mark.parametrize("how", ["--review", "--clone"])
def test_where_no_layer_can_be_it_is_a_clone_and_only_then_it_is_said(
    machine: Machine, how: str
) -> None:
    rootless = {"SecurityOptions": ["name=rootless"]}
    machine.engine.answers["/info"] = as_json(INFO | rootless)

    done = machine.pinnace("run", how)

    assert done.returncode == 0, done.stderr
    (argv,) = machine.docker.calls("run")
    assert [w for w in argv if w.endswith(f"/tree,target={machine.project}")]
    assert (b"a clone instead of a layer" in done.stderr) is (how == "--review")
    assert list(_state(machine).iterdir()) == []


def test_options_and_settings_agree(machine: Machine) -> None:
    (machine.project / "pinnace.toml").write_text('[run]\nworkspace = "review"\n')
    machine.pinnace("trust", "--yes")

    assert "overlay" in str(machine.pinnace("run", "--dry-run").stdout)
    assert "overlay" not in str(machine.pinnace("run", "--dry-run", "--workspace", "bind").stdout)
    assert machine.pinnace("run", "--workspace", "no").returncode == 64


def test_a_layer_that_is_not_there_is_not_made(machine: Machine) -> None:
    done = machine.pinnace("run", "--layer", "nosuch")

    assert done.returncode == 66
    assert machine.docker.calls("run") == []
    assert machine.pinnace("run", "--layer", "../x").returncode == 64


def test_the_verbs_without_any_layer(machine: Machine) -> None:
    for verb in ("diff", "apply", "drop"):
        assert machine.pinnace("review", verb).returncode == 66
    done = machine.pinnace("review", "list", "--json")
    assert json.loads(done.stdout)["result"] == []
    failed = machine.pinnace("review", "diff", "--json")
    assert json.loads(failed.stdout)["error"]["kind"] == "LayerMissingError"


def test_a_clone_has_all_but_what_git_ignores(project: Path) -> None:
    before = tree(project)
    layer = _cloned(project)

    assert {p.name for p in layer.root.iterdir()} == {
        *(".git", ".gitignore", "a", "src", "staged", "untracked")
    }
    assert git(layer.root, "status", "--short") == "M a\nA  staged\n?? untracked"
    assert git(layer.root, "log", "--format=%s") == "first"
    assert (layer.root / "src" / "run").stat().st_mode & 0o777 == 0o755
    assert git(layer.root, "fsck") == ""
    assert listed(layer) == {}
    assert tree(project) == before


def test_a_clone_takes_no_program_along_but_hooks(project: Path) -> None:
    evil = project.parent / "ran"
    with (project / ".git" / "config").open("a") as config:
        config.write(
            f"[core]\n\tfsmonitor = touch {evil}\n\tsshCommand = touch {evil}\n"
            f'[filter "x"]\n\tclean = touch {evil}\n\tsmudge = touch {evil}\n'
            f'[remote "origin"]\n\turl = https://example.com/x.git\n\tuploadpack = touch {evil}\n'
            f"[include]\n\tpath = other\n[credential]\n\thelper = store\n"
        )
    (project / ".git" / "other").write_text(f"[core]\n\teditor = touch {evil}\n")
    (project / ".gitattributes").write_text("* filter=x\n")
    hook = project / ".git" / "hooks" / "pre-commit"
    hook.write_text("#!/bin/sh\n")
    hook.chmod(0o755)

    layer = _cloned(project)

    assert not evil.exists()
    config_text = (layer.root / ".git" / "config").read_text()
    assert "https://example.com/x.git" in config_text
    assert "touch" not in config_text
    assert "store" not in config_text
    assert (layer.root / ".git" / "hooks" / "pre-commit").stat().st_mode & 0o111


def test_without_git_all_is_copied(tmp_path: Path) -> None:
    place = tmp_path / "plain"
    (place / "sub").mkdir(parents=True)
    (place / "sub" / "x.log").write_text("x")
    os.mkfifo(place / "pipe")
    age_all(place)
    layer = Layer("demo-c0ffee", "clone", str(place), str(place), 1e9)
    make.make(layer)

    assert tree(layer.root) == {"sub/x.log": "x"}
    assert list(clone.lent(layer)) == []
    (layer.root / "sub" / "new").write_text("n")
    (layer.root / "sub" / "x.log").unlink()
    assert listed(layer) == {"sub/new": "added", "sub/x.log": "deleted"}


def test_commits_come_back_and_nothing_else_of_the_git_directory(project: Path) -> None:
    layer = _cloned(project)
    git(layer.root, "commit", "-qam", "inside")
    (layer.root / ".git" / "config").write_text("this is no configuration\n")

    assert [(branch.name, why) for branch, why in commits.fetch(layer)] == [("main", "")]

    ref = f"refs/pinnace/{layer.name}/main"
    assert git(project, "log", "--format=%s", ref).split() == ["inside", "first"]
    assert git(project, "log", "--format=%s") == "first"
    assert commits.new(layer) == []
    git(project, "fsck", "--strict")


def test_an_object_that_is_not_its_name_is_not_taken_in(project: Path) -> None:
    layer = _cloned(project)
    git(layer.root, "commit", "-qam", "inside")
    commit = git(layer.root, "rev-parse", "HEAD")
    other = git(layer.root, "rev-parse", "HEAD^{tree}")
    objects = layer.root / ".git" / "objects"
    forged = objects / commit[:2] / commit[2:]
    forged.chmod(0o644)
    forged.write_bytes((objects / other[:2] / other[2:]).read_bytes())

    ((branch, why),) = commits.fetch(layer)

    assert branch.name == "main"
    assert why
    assert "refs/pinnace" not in git(project, "for-each-ref")


def test_a_branch_that_is_not_whole_does_not_keep_another_back(project: Path) -> None:
    layer = _cloned(project)
    git(layer.root, "commit", "-qam", "inside")
    (layer.root / ".git" / "refs" / "heads" / "bad").write_text(f"{'0123' * 10}\n")

    outcome = {branch.name: bool(why) for branch, why in commits.fetch(layer)}

    assert outcome == {"bad": True, "main": False}


def test_where_references_are_tables_nothing_is_written(project: Path) -> None:
    layer = _cloned(project)
    git(layer.root, "commit", "-qam", "inside")
    (project / ".git" / "reftable").mkdir()

    with pytest.raises(CloneFailedError):
        list(commits.fetch(layer))


def test_a_git_directory_that_became_a_link_gets_nothing(project: Path, tmp_path: Path) -> None:
    layer = _cloned(project)
    git(layer.root, "commit", "-qam", "inside")
    (project / ".git").rename(tmp_path / "elsewhere")
    (project / ".git").symlink_to(tmp_path / "elsewhere")

    with pytest.raises(CloneFailedError, match="link"):
        list(commits.fetch(layer))


def test_what_git_ignores_is_marked_by_the_projects_own_rules(project: Path) -> None:
    layer = review(project)._replace(git=str(project / ".git"), common=str(project / ".git"))
    for name in ("y.log", "y.txt", "z.txt"):
        (layer.root / name).write_text("x")
    (layer.root / ".gitignore").write_text("*.txt\n")
    (project / ".git" / "info" / "exclude").write_text("z.txt\n")

    found = {change.path: change.ignored for change in changes.differences(layer)}

    assert found == {".gitignore": False, "y.log": True, "y.txt": False, "z.txt": True}


def test_a_clone_that_cannot_be_made_leaves_nothing(project: Path) -> None:
    (project / ".git" / "index").write_text("broken")

    with pytest.raises(CloneFailedError):
        _cloned(project)
    assert layers.all_of() == []
    assert list(layers.directory().iterdir()) == []


def test_a_launcher_that_is_killed_leaves_a_whole_clone_or_none(machine: Machine) -> None:
    for number in range(400):
        (machine.project / f"file-{number}").write_text(f"{number}\n")
    whole = tree(machine.project)
    moments = random.Random(7)  # noqa: S311 (the same ones each time)
    for _ in range(rounds(60)):
        child = subprocess.Popen(
            [sys.executable, "-m", "pinnace", "run", "--clone"],
            cwd=machine.project,
            env=machine.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        with suppress(subprocess.TimeoutExpired):
            child.wait(moments.uniform(0.2, 1.5))
        child.kill()
        child.wait()
        done = machine.pinnace("review", "list", "--json")
        for one in json.loads(done.stdout)["result"]:
            assert tree(_state(machine) / one["name"] / "tree") == whole
            assert one["files"] == 0
        assert tree(machine.project) == whole


def test_an_engine_that_cannot_mount_a_layer_is_helped_out_of_it(machine: Machine) -> None:
    machine.docker.will("run", code=125)

    done = machine.pinnace("run", "--review")

    assert done.returncode == 125
    assert b"--clone needs none" in done.stderr


def test_other_kinds_of_objects_are_cloned_and_come_back(tmp_path: Path) -> None:
    place = tmp_path / "sha256"
    place.mkdir()
    git(place, "init", "-qb", "main", "--object-format=sha256", ".")
    (place / "a").write_text("a\n")
    git(place, "add", "-A")
    git(place, "commit", "-qm", "first")
    age_all(place)
    assert repository.uses_sha256(place / ".git")

    layer = _cloned(place)
    (layer.root / "a").write_text("b\n")
    git(layer.root, "commit", "-qam", "inside")
    assert [why for _, why in commits.fetch(layer)] == [""]
    assert git(place, "log", "--format=%s", f"refs/pinnace/{layer.name}/main") == "inside\nfirst"
