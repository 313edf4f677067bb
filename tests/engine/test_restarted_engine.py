"""The engine goes away and comes back: what nobody waits for, and what waits for a launch."""

from __future__ import annotations

import json
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest

from pinnace_images import contract
from tests.engine.conftest import VERSION, end_keepers, launches_noted
from tests.support.messages_api import Text, ToolUse
from tests.support.tmux import Terminal
from tests.support.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.engine.conftest import Launcher
    from tests.support.messages_api import MessagesApi
    from tests.support.own_engine import OwnEngine

pytestmark = [pytest.mark.engine, pytest.mark.timeout(1200)]
_OF_LAUNCHES: Final = f"--filter=label={contract.LABEL_RUN_WORKSPACE}"
_KILLED: Final = pytest.mark.parametrize("killed", [False, True], ids=["stopped", "killed"])


@pytest.fixture
def there(isolated: Launcher, engine: OwnEngine) -> Iterator[Launcher]:
    """`pinnace` with that engine."""
    isolated.environment["DOCKER_HOST"] = engine.endpoint
    yield isolated
    end_keepers(isolated.place)


def _state(launcher: Launcher) -> Path:
    return Path(launcher.environment["HOME"], ".local", "state", "pinnace")


def _result(launcher: Launcher, *arguments: str) -> Any:
    return json.loads(launcher.run(*arguments, "--json").stdout)["result"]


@_KILLED
def test_a_detached_launch_ends_and_tells_what_there_was(
    there: Launcher, engine: OwnEngine, api: MessagesApi, *, killed: bool
) -> None:
    gate = threading.Event()
    api.reply_with(ToolUse("Bash", {"command": "echo so far"}), Text("never", gate=gate))
    name = there.run("run", "--detach", "-p", "go on", "--allowedTools", "Bash").stdout.strip()
    wait_until(lambda: "so far" in there.run("logs", name).stdout, "its first words")
    with engine.ended(killed=killed):
        waited = there.run("wait", name)
        logged = there.run("logs", name).stdout
    gate.set()

    assert (waited.returncode, "so far" in logged) == (69, True)
    (row,) = _result(there, "ps", "--ended")
    assert (row["name"], row["state"], row["exit_code"]) == (name, "ended", 69)
    assert "does not answer" in row["error"]
    result = _result(there, "result", name)
    api.reply_with(Text("from where it was"))
    resumed = there.run("--resume", result["session_id"], "-p", "and now")
    assert (resumed.returncode, resumed.stdout) == (0, "from where it was\n"), resumed.stderr
    assert "so far" in json.dumps(api.requests[-1]["messages"])
    assert engine.docker("ps", "-aq", _OF_LAUNCHES) == ""
    assert list((_state(there) / "runs").iterdir()) == []
    noted = _result(there, "audit", "show", name)
    assert noted["ended"]["launch"] == name


@_KILLED
def test_an_interactive_one_ends_for_all_that_ask(
    there: Launcher, engine: OwnEngine, tmp_path: Path, api: MessagesApi, *, killed: bool
) -> None:
    api.reply_with(Text("What was asked for."))
    name = there.run("run", "--detach").stdout.strip()
    argv = there.argv("attach", name)
    with Terminal(tmp_path / "one", argv, cwd=there.project).start(there.environment) as one:
        one.wait_for("mode on")
        one.type("-l", "tell me")
        one.wait_for("tell me")
        one.type("Enter")
        one.wait_for("What was asked for.")
        with engine.ended(killed=killed):
            one.wait_for("exit=69")
            waited = there.run("wait", name)
            listed = there.run("ps")
    with Terminal(tmp_path / "two", argv, cwd=there.project).start(there.environment) as two:
        two.wait_for("has ended before")
        two.wait_for("exit=69")

    assert (waited.returncode, listed.returncode) == (69, 69)
    assert "does not answer" in listed.stderr
    assert _result(there, "ps") == []
    (row,) = _result(there, "ps", "--ended")
    assert (row["name"], row["state"], row["exit_code"]) == (name, "ended", 69)
    assert "asked" in there.run("logs", name).stdout
    assert engine.docker("ps", "-aq", _OF_LAUNCHES) == ""
    assert list((_state(there) / "runs").iterdir()) == []


@_KILLED
def test_what_waits_is_not_entered_and_nothing_of_it_is_left(
    there: Launcher, engine: OwnEngine, *, killed: bool
) -> None:
    warmed = there.run("warm")
    assert warmed.returncode == 0, warmed.stderr
    assert engine.docker("ps", "-q", _OF_LAUNCHES) != ""
    with engine.ended(killed=killed):
        pass
    done = there.run("run", "--", "--version")

    assert (done.returncode, done.stdout) == (0, f"{VERSION} (Claude Code)\n"), done.stderr
    assert ["standby" in one for one in launches_noted(there)] == [False]
    assert engine.docker("ps", "-aq", _OF_LAUNCHES) == ""
    assert list((_state(there) / "standby").glob("*.*n*")) == []
