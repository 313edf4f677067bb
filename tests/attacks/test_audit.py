"""Attacks on the audit record: from inside, by who holds the files, and by what is recorded."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pinnace.audit import chain, entries, paths, verify
from pinnace.audit.entry import BEFORE, Position
from pinnace_core import host
from pinnace_core.errors import CannotReadError, CannotWriteError
from tests.attacks.conftest import fresh_place
from tests.engine.conftest import VERSION, launching
from tests.support.messages_api import MessagesApi, Text, ToolUse

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.engine.conftest import Launcher

pytestmark = pytest.mark.xdist_group("attacks on the audit record")

# Each says a line: its name, and what it got. `$state`, `$data` are the host's directories.
_INSIDE = r"""
said() { printf '%s=%s\n' "$1" "$(tr -d '\n' | head -c 200)"; }
find / -xdev -path '*audit*' -name 'log*' 2>/dev/null | said find-the-entries
find / -xdev -path '*audit/head' 2>/dev/null | said find-the-head
cat "$state/audit/log.jsonl" 2>/dev/null | said read-by-its-path
cat /proc/*/root"$state"/audit/log.jsonl 2>/dev/null | said read-through-a-process
cat "$CLAUDE_CONFIG_DIR"/../../audit/head 2>/dev/null | said read-beside-the-config
mkdir -p "$state/audit" && echo forged >>"$state/audit/log.jsonl"
echo tried | said write-by-its-path
grep -c audit /proc/self/mountinfo | said find-a-mount
date -s '2001-01-01' >/dev/null 2>&1; date +%Y | said set-the-clock

projects="$CLAUDE_CONFIG_DIR/projects/$(pwd | sed 's/[^A-Za-z0-9]/-/g')"
mkdir -p "$projects/deep/deeper"
mkfifo "$projects/pipe.jsonl"
ln -s "$state/audit/log.jsonl" "$projects/link.jsonl"
ln -s /etc "$projects/etc"
ln -s /dev/zero "$projects/zero.jsonl"
mkdir "$projects/directory.jsonl"
truncate -s 40G "$projects/huge.jsonl"
printf '{"timestamp":"9999-01-01T00:00:00.000Z","message":{"content":[%s]}}\n' \
    '{"type":"tool_use","name":"\u001b[2J\u202e","input":{"command":"sk-ant-canary-0123456789"}}' \
    >"$projects/strange.jsonl"
touch -d 2001-01-01 "$projects/strange.jsonl"
head -c 3000000 /dev/zero | tr '\0' '[' >"$projects/brackets.jsonl"

printf x >"$(printf 'name \033[2J')"
printf x >hidden && touch -d 2001-01-01 hidden
mkdir -p .git && rm -f .git/HEAD && mkfifo .git/HEAD
mkfifo .git/packed-refs
curl -s -o /dev/null https://refused.example
curl -s -o /dev/null --proxy-user another-launch:x -x http://127.0.0.1:23128 https://other.example
printf '[audit]\nenabled = false\n' >pinnace.toml
"""


@dataclass
class Record:
    """What real launches have left.

    Attributes:
        launcher: of them.
        said: by attack, what it got inside.
        ended: the entry of the launch that attacked.
        claude: the entry of the end of Claude's own launch.
        before: the entries as they were before the attack.
        copy: of the directories of state and data.
    """

    launcher: Launcher
    said: dict[str, str]
    ended: dict[str, Any]
    claude: dict[str, Any]
    before: bytes
    copy: Path


def _state(launcher: Launcher) -> Path:
    return Path(launcher.environment["HOME"], ".local/state/pinnace")


@pytest.fixture(scope="module")
def record(image: str, way_to_begin: str) -> Iterator[Record]:
    """Launch Claude, then a shell that attacks."""
    assert image
    with fresh_place() as place, MessagesApi([Text("")], host="127.0.0.1") as api:
        (place / "launch").mkdir(mode=0o755)
        with launching(place / "launch", api.url_for("127.0.0.1"), way_to_begin) as launcher:
            launcher.environment |= {"PINNACE_ISOLATION": "standard", "ANTHROPIC_API_KEY": _SECRET}
            api.reply_with(ToolUse("Bash", {"command": "echo x > made"}), Text("done"))
            claude = launcher.run("run", "--", "-p", f"use {_SECRET}", *_BYPASS)
            assert claude.returncode == 0, claude.stderr
            state = _state(launcher)
            before = (state / "audit/log.jsonl").read_bytes()
            script = f"state={state}\n{_INSIDE}"
            done = launcher.run("shell", text=script)
            assert done.returncode == 0, done.stderr
            found = [json.loads(line) for line in _lines(state / "audit/log.jsonl")]
            said = dict(line.split("=", 1) for line in done.stdout.splitlines() if "=" in line)
            copy = place / "copy"
            shutil.copytree(state / "audit", copy / "state")
            shutil.copytree(
                Path(launcher.environment["HOME"], ".local/share/pinnace/audit"), copy / "data"
            )
            yield Record(launcher, said, found[3], found[1], before, copy)


_BYPASS = ("--dangerously-skip-permissions",)
# Of its own: it stands in this launch's arguments, where others look for theirs.
_SECRET = "sk-ant-api03-canary-of-the-record-0123456789"  # noqa: S105 (nobody's)


def _lines(path: Path) -> list[bytes]:
    return path.read_bytes().splitlines()


@pytest.mark.parametrize(
    "attack",
    [
        *("find-the-entries", "find-the-head", "read-by-its-path", "read-through-a-process"),
        *("read-beside-the-config",),
    ],
)
def test_from_inside_it_is_not_seen(record: Record, attack: str) -> None:
    assert record.said[attack] == ""


def test_from_inside_it_is_not_written(record: Record) -> None:
    now = (_state(record.launcher) / "audit/log.jsonl").read_bytes()

    assert record.said["write-by-its-path"] == "tried"
    assert now.startswith(record.before)
    assert b"forged" not in now


def test_nothing_of_it_is_mounted(record: Record) -> None:
    assert record.said["find-a-mount"] == "0"


def test_from_inside_no_clock_is_set(record: Record) -> None:
    assert int(record.said["set-the-clock"]) >= 2026


def test_what_is_in_a_transcripts_place_holds_nothing_up_and_is_not_followed(
    record: Record,
) -> None:
    named = {Path(one["path"]).name for one in record.ended["transcripts"]}

    assert named == {"huge.jsonl", "strange.jsonl", "brackets.jsonl"}


def test_a_huge_transcript_is_hashed_in_part_and_said_to_be(record: Record) -> None:
    (huge,) = [one for one in record.ended["transcripts"] if one["size"] == 40 << 30]

    assert huge["hashed"] < 1 << 30


def test_a_transcript_whose_time_is_set_back_is_found(record: Record) -> None:
    assert any(one["path"].endswith("strange.jsonl") for one in record.ended["transcripts"])


def test_what_a_transcript_says_is_the_agents_claim(record: Record) -> None:
    assert record.claude["claimed"]["tool_calls"] == {"Bash": 1}
    assert list(record.ended["claimed"]["tool_calls"]) == ["\x1b[2J\u202e"]
    outside = {name for name in record.ended if name != "claimed"}
    assert "tool_calls" not in outside


def test_a_file_whose_time_is_set_back_is_found(record: Record) -> None:
    assert {"hidden", "name \x1b[2J"} <= set(record.ended["files"]["changed"])
    assert "made" in record.claude["files"]["changed"]


def test_a_pipe_in_the_place_of_the_commit_holds_nothing_up(record: Record) -> None:
    assert "commit" not in record.ended


def test_what_was_refused_under_another_name_is_counted(record: Record) -> None:
    network = record.ended["network"]

    assert network["refused"] == {"refused.example:443": 1}
    assert network["of_other_names"] == 1


@pytest.mark.parametrize("verb", [("list", "--all"), ("show", "3"), ("show", "1"), ("export",)])
def test_no_name_gives_the_terminal_a_command_or_a_key_away(
    record: Record, verb: tuple[str, ...]
) -> None:
    argv = [sys.executable, "-m", "pinnace", "audit", *verb]
    where = record.launcher.project.parent / "elsewhere"
    where.mkdir(exist_ok=True)

    done = subprocess.run(
        argv, cwd=where, env=record.launcher.environment, check=True, capture_output=True
    )

    assert done.stdout or verb == ("export",)
    assert b"\x1b" not in done.stdout
    assert "\u202e".encode() not in done.stdout
    assert b"canary" not in done.stdout


def test_no_secret_is_in_it(record: Record) -> None:
    for path in record.copy.rglob("*"):
        if path.is_file():
            assert b"canary" not in path.read_bytes()


def test_a_projects_file_that_claude_wrote_does_not_turn_it_off(record: Record) -> None:
    done = record.launcher.run("run", "--", "--version")

    assert done.returncode == 78
    assert VERSION not in done.stdout
    assert "your own settings file alone" in done.stderr


@pytest.fixture
def held(record: Record) -> None:
    """Let this test's own directories hold a copy of the record."""
    shutil.copytree(record.copy / "state", paths.directory())
    shutil.copytree(record.copy / "data", paths.head_path().parent)
    for text in ("x", "y", "z"):
        chain.append("test", {"text": text})
    assert verify.verify().findings == ()


def _rewrite(change: Callable[[list[bytes]], list[bytes]]) -> None:
    path = paths.log_path()
    path.write_bytes(b"".join(line + b"\n" for line in change(_lines(path))))


def _forged(line: bytes, **changes: object) -> bytes:
    """Change an entry, and give it the digest that fits."""
    document = json.loads(line)
    del document["hash"]
    body = json.dumps({**document, **changes}, separators=(",", ":")).encode()
    digest = hashlib.sha256(body).hexdigest()
    return body[:-1] + f',"hash":"{digest}"}}'.encode()


def _rechained(lines: list[bytes]) -> list[bytes]:
    """Number and chain lines anew: whoever does that knows the code."""
    found: list[bytes] = []
    previous = BEFORE.digest
    for number, line in enumerate(lines, start=1):
        found.append(_forged(line, number=number, previous=previous))
        previous = json.loads(found[-1])["hash"]
    return found


def _changed(lines: list[bytes]) -> list[bytes]:
    return [*lines[:1], lines[1].replace(b'"exit":0', b'"exit":1'), *lines[2:]]


def _inserted(lines: list[bytes]) -> list[bytes]:
    return [*lines[:2], _forged(lines[2], text="forged"), *lines[2:]]


_TAMPERING: dict[str, Callable[[list[bytes]], list[bytes]]] = {
    "a field changed": _changed,
    "a field changed, and the digest": lambda ls: [ls[0], _forged(ls[1], exit=1), *ls[2:]],
    "all chained anew behind a change": lambda ls: _rechained(
        [ls[0], _forged(ls[1], exit=1), *ls[2:]]
    ),
    "all chained anew without an entry": lambda ls: _rechained([*ls[:2], *ls[3:]]),
    "all chained anew with one more": lambda ls: _rechained([*ls, ls[0]]),
    "a byte flipped": lambda ls: [*ls[:-1], ls[-1].replace(b"z", b"Z", 1)],
    "an entry deleted": lambda ls: [*ls[:2], *ls[3:]],
    "the first deleted": lambda ls: ls[1:],
    "the last deleted": lambda ls: ls[:-1],
    "the last three deleted": lambda ls: ls[:-3],
    "all deleted": lambda _: [],
    "two swapped": lambda ls: [*ls[:3], ls[4], ls[3], *ls[5:]],
    "the last two swapped": lambda ls: [*ls[:-2], ls[-1], ls[-2]],
    "one twice": lambda ls: [*ls[:3], ls[2], *ls[3:]],
    "the last one twice": lambda ls: [*ls, ls[-1]],
    "one inserted": _inserted,
    "one emptied": lambda ls: [*ls[:2], b"", *ls[3:]],
    "garbage at the end": lambda ls: [*ls, b"garbage"],
    "an end that is none": lambda ls: [*ls, b'{"number":99,"hash":"x"}'],
    "nested without end": lambda ls: [*ls, b"[" * 100_000],
    "the digest cut off": lambda ls: [*ls[:-1], ls[-1].split(b',"hash"')[0] + b"}"],
    "the times taken out": lambda ls: _rechained([*ls[:2], _forged(ls[2], time=""), *ls[3:]]),
    "written earlier": lambda ls: _rechained([*ls[:4], _forged(ls[4], uptime=1.0), *ls[5:]]),
}


@pytest.mark.usefixtures("held")
@pytest.mark.parametrize("name", _TAMPERING)
def test_tampering_is_found_then_and_later(name: str) -> None:
    _rewrite(_TAMPERING[name])

    assert any(one.is_grave for one in verify.verify().findings)
    # Who launches next notes it, and nothing makes it go away.
    chain.append("test", {})
    chain.append("test", {})
    assert any(one.is_grave for one in verify.verify().findings)


@pytest.mark.usefixtures("held")
@pytest.mark.parametrize("what", ["removed", "emptied", "garbage", "older", "another", "a link"])
def test_a_head_that_was_replaced_is_found(tmp_path: Path, what: str) -> None:
    path, found = paths.head_path(), list(entries.read())
    path.unlink()
    if what == "emptied":
        path.touch()
    elif what == "garbage":
        path.write_bytes(b"\xff" * 200)
    elif what == "older":
        _write_head(Position(found[2].position.number, found[3].position.digest))
    elif what == "another":
        _write_head(Position(found[-1].position.number, "f" * 64))
    elif what == "a link":
        (tmp_path / "elsewhere").write_text("nothing")
        path.symlink_to(tmp_path / "elsewhere")

    assert any(one.is_grave for one in verify.verify().findings)


def _write_head(position: Position) -> None:
    paths.head_path().write_text(f"{position}\n")


@pytest.mark.usefixtures("held")
def test_an_older_copy_of_the_entries_is_found(record: Record) -> None:
    shutil.copy(record.copy / "state/log.jsonl", paths.log_path())

    (finding,) = verify.verify().findings
    assert (finding.kind, finding.is_grave) == ("missing", True)


@pytest.mark.usefixtures("held")
def test_a_whole_new_chain_is_found_against_a_head_that_was_noted_elsewhere() -> None:
    noted = verify.verify().last
    _rewrite(lambda lines: _rechained([*lines[:2], *lines[3:]]))
    last = json.loads(_lines(paths.log_path())[-1])
    _write_head(Position(last["number"], last["hash"]))

    # Who writes as the user can do this: docs/audit.md says so.
    assert verify.verify().findings == ()
    (finding,) = verify.verify(noted).findings
    assert (finding.kind, finding.is_grave) == ("head", True)


@pytest.mark.usefixtures("held")
@pytest.mark.parametrize(("shift", "where"), [(-86_400, "back"), (86_400, "forward")])
def test_a_clock_that_was_set_is_found(
    monkeypatch: pytest.MonkeyPatch, shift: int, where: str
) -> None:
    real = time.time_ns
    monkeypatch.setattr(time, "time_ns", lambda: real() + shift * 10**9)

    chain.append("test", {})

    (finding,) = verify.verify().findings
    assert (finding.kind, finding.is_grave) == ("clock", False)
    assert f"set {where} by 864" in finding.text


@pytest.mark.usefixtures("held")
def test_a_clock_that_was_set_back_over_a_start_of_the_machine_is_found(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    real = time.time_ns
    monkeypatch.setattr(time, "time_ns", lambda: real() - 3_600 * 10**9)
    monkeypatch.setattr(host, "boot_id", lambda: "another")

    chain.append("test", {})

    (finding,) = verify.verify().findings
    assert "set back by 36" in finding.text


@pytest.mark.usefixtures("held")
@pytest.mark.parametrize("what", ["pipe", "link", "directory", "device"])
def test_a_trap_in_the_place_of_the_entries_is_an_error_and_no_wait(
    tmp_path: Path, what: str
) -> None:
    path = paths.log_path()
    path.unlink()
    if what == "pipe":
        os.mkfifo(path)
    elif what == "directory":
        path.mkdir()
    else:
        (tmp_path / "elsewhere").touch()
        path.symlink_to("/dev/zero" if what == "device" else tmp_path / "elsewhere")

    with pytest.raises((CannotReadError, CannotWriteError)):
        verify.verify()
    with pytest.raises(CannotWriteError):
        chain.append("test", {})


@pytest.mark.usefixtures("held")
def test_the_command_ends_with_79(record: Record) -> None:
    _rewrite(_changed)
    argv = [sys.executable, "-m", "pinnace", "audit", "verify", "--json"]

    done = subprocess.run(
        argv, cwd=record.launcher.project.parent, check=False, capture_output=True, text=True
    )

    assert done.returncode == 79
    envelope = json.loads(done.stdout)
    assert (envelope["ok"], envelope["error"]["kind"]) == (False, "RecordChangedError")
    assert [one["kind"] for one in envelope["result"]["findings"]] == ["changed"]
