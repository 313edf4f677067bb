"""Sessions here and in a store: what one of them lacks it gets, and nothing is overwritten."""

from __future__ import annotations

import json
import os
import re
from typing import TYPE_CHECKING, Any

import anyio
import pytest
from claude_agent_sdk import InMemorySessionStore
from claude_agent_sdk.testing import run_session_store_conformance

from pinnace.sessions import Names, store, transcripts, written
from pinnace.sessions.copies import Copies, difference, kept
from pinnace.sessions.file_store import FileStore
from pinnace_core.errors import (
    BadSettingsError,
    BadTranscriptError,
    PinnaceError,
    SessionApartError,
    SessionMissingError,
    SessionStoreError,
)

if TYPE_CHECKING:
    from pathlib import Path

    from tests.process.conftest import Machine as Whole

_ID = "11111111-1111-4111-8111-111111111111"
_OTHER = "22222222-2222-4222-8222-222222222222"
_DIRECTORY = "-srv-x"
_AGENT = "subagents/agent-1"


def _entry(number: int, text: str = "hello") -> dict[str, Any]:
    uuid = f"aaaaaaaa-aaaa-4aaa-8aaa-{number:012d}"
    return {"type": "user", "uuid": uuid, "message": {"role": "user", "content": text}}


class Machine:
    """A config directory, and the way from it to the store that several have."""

    def __init__(self, config: Path, kept_in: store.SessionStore) -> None:
        """Begin with nothing."""
        self.config, self.store = config, kept_in
        config.mkdir()
        self.copies = Copies(kept_in, config, [_DIRECTORY])

    def says(self, *found: dict[str, Any], session: str = _ID, below: str = "") -> None:
        """Write as Claude does."""
        path = self.config / "projects" / _DIRECTORY / (f"{session}/{below}" if below else session)
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.with_name(f"{path.name}.jsonl").open("a") as stream:
            stream.writelines(f"{json.dumps(one)}\n" for one in found)

    def has(self, session: str = _ID) -> list[dict[str, Any]]:
        """Return what lies here."""
        return written.read(self.config, _DIRECTORY, session)

    def stored(self, session: str = _ID, **more: str) -> Any:
        """Return what the store has."""
        key = {"project_key": _DIRECTORY, "session_id": session, **more}
        return anyio.run(self.store.load, key)

    def push(self, since: float = 0.0) -> None:
        """Bring there what is here."""
        anyio.run(self.copies.push, since)

    def fetch(self, word: str = _ID) -> str:
        """Return the id of the session that a word means, once it is here."""
        return anyio.run(self.copies.chosen, word).transcript.id


@pytest.fixture(params=["a directory", "of the SDK"])
def machines(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> tuple[Machine, Machine]:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    own = request.param == "a directory"
    kept_in = FileStore(tmp_path / "store") if own else InMemorySessionStore()
    return Machine(tmp_path / "one", kept_in), Machine(tmp_path / "two", kept_in)


def test_a_directory_is_a_store_by_the_rules_of_the_official_sdk(tmp_path: Path) -> None:
    numbers = iter(range(1000))

    async def judged() -> None:
        def make() -> Any:
            return FileStore(tmp_path / str(next(numbers)))

        await run_session_store_conformance(make)

    anyio.run(judged)


@pytest.mark.parametrize("part", ["..", "a/b", "", ".lock", "a\0b", "x" * 300])
def test_a_key_does_not_lead_out_of_the_directory(tmp_path: Path, part: str) -> None:
    kept_in = FileStore(tmp_path / "store")
    for key in (
        {"project_key": part, "session_id": "s"},
        {"project_key": "p", "session_id": part},
        {"project_key": "p", "session_id": "s", "subpath": f"subagents/{part or '..'}/x/../.."},
    ):
        with pytest.raises(ValueError, match="no part"):
            anyio.run(kept_in.append, key, [_entry(1)])
    assert not (tmp_path / "store").exists()


def test_a_half_written_line_in_a_directory_spoils_no_other(tmp_path: Path) -> None:
    kept_in = FileStore(tmp_path)
    key = {"project_key": "p", "session_id": "s"}
    anyio.run(kept_in.append, key, [_entry(1)])
    with (tmp_path / "p" / "s.jsonl").open("a") as stream:
        stream.write('{"type": "us')
    anyio.run(kept_in.append, key, [_entry(2)])
    assert anyio.run(kept_in.load, key) == [_entry(1), _entry(2)]


def test_what_is_said_on_one_machine_goes_on_on_another_and_back(
    machines: tuple[Machine, Machine],
) -> None:
    one, two = machines
    one.says(_entry(1), _entry(2))
    one.push()
    assert two.fetch() == _ID
    assert two.has() == [_entry(1), _entry(2)]
    two.says(_entry(3))
    two.push()
    one.fetch()
    assert one.has() == one.stored() == [_entry(1), _entry(2), _entry(3)]


def test_agents_of_a_session_and_what_they_are_come_along(
    machines: tuple[Machine, Machine],
) -> None:
    one, two = machines
    one.says(_entry(1))
    one.says(_entry(2), below=_AGENT)
    about = one.config / "projects" / _DIRECTORY / _ID / f"{_AGENT}.meta.json"
    about.write_text('{"agentType": "reviewer"}')
    one.push()
    two.fetch()
    place = two.config / "projects" / _DIRECTORY / _ID
    assert (place / f"{_AGENT}.meta.json").read_text() == '{"agentType":"reviewer"}\n'
    assert "agent_metadata" not in (place / f"{_AGENT}.jsonl").read_text()
    assert one.stored(subpath=_AGENT)[-1] == {"type": "agent_metadata", "agentType": "reviewer"}


def test_a_session_that_went_on_in_both_places_is_left_as_it_is(
    machines: tuple[Machine, Machine],
) -> None:
    one, two = machines
    one.says(_entry(1))
    one.push()
    two.fetch()
    one.says(_entry(2))
    two.says(_entry(3))
    one.push()
    with pytest.raises(SessionApartError, match="gone on both"):
        two.fetch()
    with pytest.raises(SessionApartError, match="gone on both"):
        two.push()
    assert two.has() == [_entry(1), _entry(3)]
    assert two.stored() == [_entry(1), _entry(2)]


def test_nothing_is_kept_twice(machines: tuple[Machine, Machine]) -> None:
    one, _ = machines
    one.says(_entry(1), {"type": "mode", "mode": "plan"})
    for _ in range(3):
        os.utime(one.config / "projects" / _DIRECTORY / f"{_ID}.jsonl", (2e9, 2e9))
        one.push()
    assert len(one.stored()) == 2


def test_a_clock_of_the_stores_that_is_ahead_keeps_nothing_away(
    machines: tuple[Machine, Machine],
) -> None:
    one, _ = machines
    one.says(_entry(1))
    one.push()
    path = one.config / "projects" / _DIRECTORY / f"{_ID}.jsonl"
    os.utime(path, (1000, 1000))
    with kept(one.copies):
        one.says(_entry(2))
    assert one.stored() == [_entry(1), _entry(2)]
    os.utime(path, (1000, 1000))
    one.push(float("inf"))
    assert one.stored() == one.has()


def test_a_store_may_give_entries_in_another_order_of_keys() -> None:
    here = [_entry(1), {"type": "mode", "mode": "plan"}]
    there = [dict(reversed(one.items())) for one in here]
    assert difference(here, there) == ([], [])


def test_sessions_that_only_the_store_has_are_listed_found_and_searched(
    machines: tuple[Machine, Machine],
) -> None:
    one, two = machines
    one.says(_entry(1, "where is the key"), {"type": "custom-title", "customTitle": "Keys"})
    one.push()
    (found,) = anyio.run(two.copies.listed)
    ((about, hit),) = anyio.run(two.copies.search, "THE KEY")
    assert (found.transcript.id, found.title, about.title) == (_ID, "Keys", "Keys")
    assert hit.text == "where is the key"
    assert not list(transcripts.all_of(two.config))
    assert two.fetch("keys") == two.fetch(_ID[:6]) == _ID


def test_a_name_means_the_same_session_when_its_transcript_has_gone(
    machines: tuple[Machine, Machine],
) -> None:
    one, _ = machines
    one.says(_entry(1))
    Names(one.config).give("fix", _ID)
    one.push()
    (one.config / "projects" / _DIRECTORY / f"{_ID}.jsonl").unlink()
    assert one.fetch("fix") == _ID
    assert one.has() == [_entry(1)]


def test_what_is_nowhere_is_missing(machines: tuple[Machine, Machine]) -> None:
    for word in ("nothing", _OTHER):
        with pytest.raises(SessionMissingError):
            machines[0].fetch(word)


class _Bad:
    """A store with traps in it, or one that fails."""

    def __init__(self, found: Any = None, error: Exception | None = None) -> None:
        self.found, self.error = found, error

    async def append(self, key: Any, entries: Any) -> None:
        del key, entries
        if self.error:
            raise self.error

    async def load(self, key: Any) -> Any:
        if self.error:
            raise self.error
        return [_entry(1)] if not key.get("subpath") else self.found

    async def list_subkeys(self, key: Any) -> list[str]:
        del key
        return ["../../../../evil", "/etc/x", "subagents/../../x", "other/x", "subagents/.x"]


def test_names_of_a_store_lead_nowhere_else(tmp_path: Path) -> None:
    machine = Machine(tmp_path / "config", _Bad([_entry(2)]))
    machine.fetch()
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert [path.name for path in files] == [f"{_ID}.jsonl"]


@pytest.mark.parametrize("trap", ["link to a file", "link to a directory"])
def test_a_link_in_the_place_of_a_transcript_is_not_written_through(
    tmp_path: Path, trap: str
) -> None:
    machine = Machine(tmp_path / "config", _Bad())
    place = machine.config / "projects" / _DIRECTORY
    place.parent.mkdir(parents=True)
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "file").write_text("mine")
    if trap == "link to a directory":
        place.symlink_to(outside)
        with pytest.raises(PinnaceError):
            machine.fetch()
    else:
        place.mkdir()
        (place / f"{_ID}.jsonl").symlink_to(outside / "file")
        machine.fetch()
        assert machine.has() == [_entry(1)]
    assert [one.name for one in outside.iterdir()] == ["file"]
    assert (outside / "file").read_text() == "mine"


def test_a_store_that_fails_stops_a_launch_before_it_begins_and_none_that_has_ended(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    machine = Machine(tmp_path / "config", _Bad(error=OSError("no route")))
    with pytest.raises(SessionStoreError, match="OSError: no route"), kept(machine.copies, _ID):
        pytest.fail("it began")
    machine.says(_entry(1))
    with kept(machine.copies):
        pass
    assert re.search("not copied: .*no route", capsys.readouterr().err)


class _Odd(_Bad):
    """A store whose answer to one question is what none should say."""

    def __init__(self, method: str, answer: Any) -> None:
        super().__init__()
        self.method, self.answer = method, answer

    async def load(self, key: Any) -> Any:
        return self.answer if self.method == "load" else await super().load(key)

    async def list_subkeys(self, key: Any) -> Any:
        return self.answer if self.method == "list_subkeys" else await super().list_subkeys(key)

    async def list_sessions(self, project: str) -> Any:
        del project
        return self.answer if self.method == "list_sessions" else []


@pytest.mark.parametrize(
    ("method", "answer"),
    [
        ("load", 5),
        ("list_subkeys", [None]),
        ("list_subkeys", None),
        ("list_sessions", [{}]),
        ("list_sessions", [None]),
        ("list_sessions", [{"session_id": _ID, "mtime": "yesterday"}]),
    ],
)
def test_an_answer_that_no_store_should_give_is_the_stores_error(
    tmp_path: Path, method: str, answer: Any
) -> None:
    machine = Machine(tmp_path / "config", _Odd(method, answer))
    with pytest.raises(SessionStoreError, match="the store of sessions failed"):
        machine.fetch()


def test_a_transcript_that_is_too_large_is_left_out_and_the_others_are_not(
    machines: tuple[Machine, Machine], monkeypatch: pytest.MonkeyPatch
) -> None:
    one, _ = machines
    one.says(*(_entry(n) for n in range(20)))
    one.says(_entry(1), session=_OTHER)
    monkeypatch.setattr("pinnace.sessions.written._MOST_BYTES", 500)
    with pytest.raises(BadTranscriptError, match="too large"):
        one.push()
    assert one.stored() is None
    assert one.stored(_OTHER) == [_entry(1)]


@pytest.mark.parametrize(
    "said", ["no_such_module:x", "json:no_such_name", "json:JSONDecoder", "json:JSONDecodeError"]
)
def test_a_store_that_cannot_be_made_is_an_error_of_the_setting(said: str) -> None:
    with pytest.raises(BadSettingsError, match="session store"):
        store.named(said)


def test_what_a_setting_names_is_made(tmp_path: Path) -> None:
    assert isinstance(store.named(str(tmp_path)), FileStore)
    assert isinstance(store.named("claude_agent_sdk:InMemorySessionStore"), InMemorySessionStore)


def _transcript(machine: Whole, home: Path, *said: dict[str, Any]) -> Path:
    """Write a transcript as Claude does, on the machine with this home."""
    (config,) = home.glob("**/pinnace/projects/*/default")
    place = config / "projects" / re.sub(r"[^A-Za-z0-9]", "-", str(machine.project))
    place.mkdir(parents=True, exist_ok=True)
    with (place / f"{_ID}.jsonl").open("a") as stream:
        stream.writelines(f"{json.dumps(one)}\n" for one in said)
    return place / f"{_ID}.jsonl"


def _at(home: Path) -> dict[str, str]:
    return {
        "HOME": str(home),
        **{f"XDG_{name}_HOME": str(home / name) for name in ("STATE", "DATA", "CONFIG", "CACHE")},
    }


def _say(machine: Whole, home: Path, *arguments: str, code: int = 0) -> str:
    home.mkdir(exist_ok=True)
    done = machine.pinnace(*arguments, environment=_at(home))
    assert done.returncode == code, done.stderr
    return (done.stdout + done.stderr).decode()


def test_commands_use_the_store_that_the_user_names(machine: Whole, tmp_path: Path) -> None:
    machine.environment["PINNACE_SESSION_STORE"] = str(tmp_path / "share")
    here, there = tmp_path / "here", tmp_path / "there"
    _say(machine, here, "run", "--", "-p", "hello")
    title = {"type": "custom-title", "customTitle": "Keys"}
    mine = _transcript(machine, here, _entry(1, "where is the key"), title)
    # The next launch brings what is there by then.
    _say(machine, here, "run", "--", "-p", "hello")
    _say(machine, there, "run", "--", "-p", "hello")
    (row,) = json.loads(_say(machine, there, "session", "list", "--json"))["result"]
    found = _say(machine, there, "session", "search", "THE KEY")
    shown = _say(machine, there, "session", "show", "keys")
    # From now on it is a file there, too.
    (theirs,) = there.glob(f"**/{_ID}.jsonl")
    with theirs.open("a") as stream:
        stream.write(f"{json.dumps(_entry(2, 'under the mat'))}\n")
    argv = _say(machine, there, "session", "resume", _ID, "--dry-run", "-p", "go on")
    _say(machine, there, "session", "resume", _ID, "-p", "go on")
    exported = _say(machine, here, "session", "export", _ID)
    _say(machine, here, "session", "rm", _ID)

    assert (row["id"], row["state"], row["title"]) == (_ID, "stored", "Keys")
    assert "where is the key" in found
    assert "where is the key" in shown
    assert f"--resume {_ID}" in argv
    assert "under the mat" in exported
    assert not mine.exists()
    assert not list((tmp_path / "share").glob("*/*.jsonl"))


def test_one_that_went_on_in_two_places_is_kept_as_a_copy_and_then_gone_on_with(
    machine: Whole, tmp_path: Path
) -> None:
    machine.environment["PINNACE_SESSION_STORE"] = str(tmp_path / "share")
    here = tmp_path / "here"
    _say(machine, here, "run", "--", "-p", "hello")
    _transcript(machine, here, _entry(1))
    _say(machine, here, "run", "--", "-p", "hello")
    (stored,) = (tmp_path / "share").glob(f"*/{_ID}.jsonl")
    with stored.open("a") as stream:
        stream.write(f"{json.dumps(_entry(2, 'said elsewhere'))}\n")
    mine = _transcript(machine, here, _entry(3, "said here"))

    refused = _say(machine, here, "session", "resume", _ID, "-p", "go on", code=65)
    _say(machine, here, "session", "fork", _ID, "kept")
    _say(machine, here, "session", "rm", _ID)

    assert f"pinnace session fork {_ID}" in refused
    assert "said here" in _say(machine, here, "session", "show", "kept")
    assert "said elsewhere" in stored.read_text()
    assert not mine.exists()
    assert "said elsewhere" in _say(machine, here, "session", "show", _ID)


def test_a_dry_run_brings_nothing_from_the_store(machine: Whole, tmp_path: Path) -> None:
    machine.environment["PINNACE_SESSION_STORE"] = str(tmp_path / "share")
    here, there = tmp_path / "here", tmp_path / "there"
    _say(machine, here, "run", "--", "-p", "hello")
    _transcript(machine, here, _entry(1))
    _say(machine, here, "run", "--", "-p", "hello")
    _say(machine, there, "session", "resume", _ID, "--dry-run", "-p", "go on", code=66)
    assert not list(there.glob("**/*.jsonl"))


def test_a_project_names_no_store(machine: Whole, tmp_path: Path) -> None:
    text = '[run]\nsession-store = "evil:Store"\n'
    (machine.project / "pinnace.toml").write_text(text)
    (machine.project / "evil.py").write_text("raise SystemExit('it ran')\n")
    said = _say(machine, tmp_path / "home", "run", "--", "-p", "hello", code=78)
    assert "it ran" not in said
    machine.environment["PINNACE_SESSION_STORE"] = "evil:Store"
    (machine.project / "pinnace.toml").unlink()
    assert "cannot be made" in _say(
        machine, tmp_path / "home", "session", "list", code=78
    )  # the project's own modules are not found
