"""`pinnace session`, as a user calls it, on transcripts as Claude writes them."""

from __future__ import annotations

import json
import os
import re
from typing import TYPE_CHECKING, Any

import pytest

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
    assert _result(machine, "rm", "key") == {"id": _ID}
    assert not (transcripts / f"{_ID}.jsonl").exists()
    assert sorted(row["name"] for row in _result(machine, "list")) == ["copy", "fix"]
    assert "key" in _said(machine, "show", "key", code=66)


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
