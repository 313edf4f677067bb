"""`pinnace session`, as a user calls it, on transcripts as Claude writes them."""

from __future__ import annotations

import dataclasses
import json
import os
import re
import shlex
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.waiting import wait_until

if TYPE_CHECKING:
    from pathlib import Path

    from tests.process.conftest import Machine

_ID = "11111111-1111-4111-8111-111111111111"
_OTHER = "22222222-2222-4222-8222-222222222222"
_ESCAPE = "\x1b]0;owned\x07\x1b[2J"


def _lines(machine: Machine, title: str) -> str:
    said = {
        "uuid": "aaaaaaaa-aaaa-4aaa-8aaa-aaaaaaaaaaaa",
        "parentUuid": None,
        "timestamp": "2026-01-02T03:04:05.678Z",
        "cwd": str(machine.project),
        "type": "user",
        "message": {"role": "user", "content": f"Where is the key?{_ESCAPE}"},
    }
    named = {"type": "custom-title", "customTitle": title}
    return "".join(f"{json.dumps(line)}\n" for line in (said, named))


@pytest.fixture
def transcripts(machine: Machine) -> Path:
    """A launch with a named session, then two transcripts: one of its own, one of no name."""
    done = machine.pinnace("run", "--session", "fix", "--", "-p", "hello")
    assert done.returncode == 0, done.stderr
    (argv,) = machine.docker.calls("run")
    found = re.search(r"--session-id[= ](\S+)", " ".join(argv))
    assert found is not None, argv
    (config,) = machine.project.parent.glob("home/.local/share/pinnace/projects/*/default")
    directory = config / "projects" / re.sub(r"[^A-Za-z0-9]", "-", str(machine.project))
    directory.mkdir(parents=True)
    (directory / f"{found[1]}.jsonl").write_text(_lines(machine, "fix"))
    (directory / f"{_ID}.jsonl").write_text(_lines(machine, f"Find the key{_ESCAPE}"))
    return directory


def _said(machine: Machine, *arguments: str, code: int = 0) -> str:
    done = machine.pinnace("session", *arguments)
    assert done.returncode == code, done.stderr
    return (done.stdout + done.stderr).decode()


def _result(machine: Machine, *arguments: str) -> Any:
    return json.loads(_said(machine, *arguments, "--json"))["result"]


@pytest.mark.usefixtures("transcripts")
def test_sessions_are_listed_with_names_and_titles(machine: Machine) -> None:
    rows = _result(machine, "list")
    assert sorted((row["name"], row["state"]) for row in rows) == [("", "ended"), ("fix", "ended")]
    assert [row["id"] for row in rows if not row["name"]] == [_ID]
    assert sorted(row["id"] for row in _result(machine, "list", "--all")) == sorted(
        row["id"] for row in rows
    )


@pytest.mark.usefixtures("transcripts")
@pytest.mark.parametrize(
    "verb",
    [("list",), ("show", _ID), ("export", _ID), ("search", "THE KEY"), ("list", "--all")],
    ids=" ".join,
)
def test_nothing_that_is_printed_commands_a_terminal(
    machine: Machine, verb: tuple[str, ...]
) -> None:
    said = _said(machine, *verb)
    assert "the key" in said
    assert not set("\x1b\x07") & set(said)


def test_a_session_is_renamed_copied_and_removed(machine: Machine, transcripts: Path) -> None:
    assert _result(machine, "rename", "1111", "key") == {"id": _ID, "name": "key"}
    copy = _result(machine, "fork", "key", "copy")
    assert (copy["name"], copy["of"]) == ("copy", _ID)
    assert "Where is the key?" in _said(machine, "show", "copy")
    assert _result(machine, "rm", "key") == [_ID]
    assert not (transcripts / f"{_ID}.jsonl").exists()
    assert sorted(row["name"] for row in _result(machine, "list")) == ["copy", "fix"]
    assert "key" in _said(machine, "show", "key", code=66)


def test_several_are_removed_or_none(machine: Machine, transcripts: Path) -> None:
    assert "'nothing'" in _said(machine, "rm", "fix", _ID, "nothing", code=66)
    assert len(list(transcripts.iterdir())) == 2
    assert _result(machine, "rm", _ID, "fix", _ID[:8])[0] == _ID
    assert list(transcripts.iterdir()) == []
    assert _result(machine, "list") == []


def test_an_export_is_as_claude_wrote_it_and_replaces_no_file(
    machine: Machine, transcripts: Path
) -> None:
    written = (transcripts / f"{_ID}.jsonl").read_text()
    arguments = ("export", _ID, "--format", "jsonl", "--output", "out.jsonl")

    _said(machine, *arguments)

    assert [
        json.loads(line) for line in (machine.project / "out.jsonl").read_text().splitlines()
    ] == [json.loads(line) for line in written.splitlines()]
    assert "is there already" in _said(machine, *arguments, code=64)


@pytest.mark.usefixtures("transcripts")
@pytest.mark.parametrize("name", ["../../x", "/etc/passwd", "-x y", "a\nb", "x" * 65, ""])
def test_a_name_is_no_path(machine: Machine, name: str) -> None:
    _said(machine, "rename", _ID, "--", name, code=64)
    _said(machine, "fork", _ID, "--", name or "..", code=64)


@pytest.mark.usefixtures("transcripts")
def test_what_is_not_there_is_said_as_json_too(machine: Machine) -> None:
    said = json.loads(machine.pinnace("session", "show", "nothing", "--json").stdout)
    assert said["error"]["exit_code"] == 66


@pytest.mark.parametrize("trap", ["pipe", "link", "directory"])
def test_a_trap_in_the_place_of_a_transcript_is_none(
    machine: Machine, transcripts: Path, trap: str
) -> None:
    secret = machine.project.parent / "secret"
    secret.write_text(_lines(machine, "the secret"))
    path = transcripts / f"{_OTHER}.jsonl"
    if trap == "pipe":
        os.mkfifo(path)
    elif trap == "link":
        path.symlink_to(secret)
    else:
        path.mkdir()

    assert _OTHER not in [row["id"] for row in _result(machine, "list")]
    assert _OTHER not in _said(machine, "search", "the key")
    for verb in ("show", "export", "fork", "rm"):
        _said(machine, verb, _OTHER, code=66)
    assert "the secret" in secret.read_text()


@pytest.mark.usefixtures("transcripts")
def test_names_are_completed(machine: Machine) -> None:
    environment = {
        "_PINNACE_COMPLETE": "zsh_complete",
        "COMP_WORDS": "pinnace session show ",
        "COMP_CWORD": "3",
    }
    done = machine.pinnace(environment=environment)
    words = done.stdout.decode().splitlines()[1::3]
    assert "fix" in words
    assert any(_ID.startswith(word) for word in words)
    assert "\x1b" not in done.stdout.decode()


def _begun(machine: Machine, session: str, title: str) -> Path:
    """Launch in the project, and leave a transcript as Claude does."""
    assert machine.pinnace("run", "--", "-p", "hello").returncode == 0
    root = machine.project.resolve()
    slot = root.name.replace(" ", "-")
    pattern = f"home/.local/share/pinnace/projects/{slot}-*/default"
    (config,) = root.parent.glob(pattern)
    directory = config / "projects" / re.sub(r"[^A-Za-z0-9]", "-", str(root))
    directory.mkdir(parents=True)
    (directory / f"{session}.jsonl").write_text(_lines(machine, title))
    return directory


def _git(machine: Machine, *arguments: str) -> None:
    named = ("-c", "user.name=n", "-c", "user.email=n@example.com", "-c", "init.defaultBranch=m")
    subprocess.run(["git", *named, *arguments], check=True, cwd=machine.project)


@pytest.fixture
def tree(machine: Machine) -> Machine:
    """A worktree of the project, beside it; both have a session."""
    _git(machine, "init", "-q")
    _git(machine, "add", "--all")
    _git(machine, "commit", "-qm", "one")
    _git(machine, "worktree", "add", "-q", "../tree")
    _begun(machine, _ID, "of main")
    found = dataclasses.replace(machine, project=machine.project.parent / "tree")
    _begun(found, _OTHER, "of the tree")
    return found


def test_sessions_of_all_worktrees_are_one_list(machine: Machine, tree: Machine) -> None:
    for one in (machine, tree):
        rows = {row["id"]: row["project"] for row in _result(one, "list")}
        assert rows == {_ID: str(machine.project), _OTHER: str(tree.project)}
    assert "PROJECT" in _said(tree, "list")
    assert _said(tree, "search", "the key").count("Where is") == 2
    assert "Where is the key" in _said(tree, "show", _ID)
    assert "Where is the key" in _said(tree, "export", "of main")


def test_one_of_another_worktree_is_gone_on_with_there_or_taken_along(
    machine: Machine, tree: Machine
) -> None:
    for verb in (("resume", _ID, "-p", "hi"), ("rename", _ID, "x"), ("rm", _ID)):
        said = _said(tree, *verb, code=64)
        assert f"cd {shlex.quote(str(machine.project))}" in said
        assert f"pinnace session fork {_ID} NAME" in said
    copy = _result(tree, "fork", _ID, "mine")
    resumed = machine.docker.calls("run")
    assert _said(tree, "resume", "mine", "-p", "hi") is not None
    (argv,) = machine.docker.calls("run")[len(resumed) :]
    assert f"--resume {copy['id']}" in " ".join(argv)
    # Its own transcript, which lies where Claude looks for it.
    assert [row["project"] for row in _result(tree, "list") if row["name"] == "mine"] == [
        str(tree.project)
    ]


@pytest.mark.parametrize("claims", ["to be a worktree", "to share a repository"])
def test_who_only_claims_to_be_a_worktree_is_none(
    machine: Machine, tree: Machine, claims: str
) -> None:
    liar = dataclasses.replace(machine, project=machine.project.parent / "liar")
    liar.project.mkdir()
    (liar.project / ".claude-version").write_text((machine.project / ".claude-version").read_text())
    _begun(liar, "33333333-3333-4333-8333-333333333333", "of a stranger")
    dot_git = liar.project / ".git"
    if claims == "to be a worktree":
        dot_git.write_text((tree.project / ".git").read_text())
    else:
        dot_git.mkdir()
        (dot_git / "commondir").write_text(str(machine.project / ".git"))
    assert len(_result(machine, "list")) == 2


def test_a_worktree_that_nothing_was_launched_in_takes_a_session_along(
    machine: Machine, tree: Machine
) -> None:
    del tree
    _git(machine, "worktree", "add", "-q", "../fresh")
    fresh = dataclasses.replace(machine, project=machine.project.parent / "fresh")
    _result(fresh, "fork", _ID, "mine")
    _said(fresh, "resume", "mine", "-p", "hi")
    assert len(_result(fresh, "list")) == 3


def test_one_that_a_launch_is_at_work_on_is_removed_only_by_force(machine: Machine) -> None:
    directory = _begun(machine, _ID, "busy")
    machine.docker.will("run", wait=True)
    line = [sys.executable, "-m", "pinnace", "run", "--", "-p", "hello"]
    with subprocess.Popen(line, cwd=machine.project, env=machine.environment) as running:
        try:
            wait_until(lambda: machine.docker.log("ready"), "it did not start")
            (directory / f"{_ID}.jsonl").touch()
            assert [row["state"] for row in _result(machine, "list")] == ["running"]
            assert "--force" in _said(machine, "rm", _ID, code=75)
            assert _result(machine, "rm", _ID, "--force") == [_ID]
            assert not list(directory.iterdir())
        finally:
            machine.docker.finish()
    assert running.returncode == 0
