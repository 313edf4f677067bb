"""The drop-in `claude` with the real CLI: as clients start it."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest

from tests.engine.conftest import VERSION, Launcher, new_version, remove_images
from tests.support.made_up_cli import MadeUp

if TYPE_CHECKING:
    from tests.support.messages_api import MessagesApi

_PATIENCE_SECONDS: Final = 120
# As vibe-kanban and the SDKs start it.
_STREAMED: Final = (
    *("-p", "--output-format=stream-json", "--input-format=stream-json", "--verbose"),
    *("--permission-prompt-tool=stdio", "--include-partial-messages", "--replay-user-messages"),
)


@pytest.fixture
def claude(isolated: Launcher) -> Path:
    """The program."""
    made = isolated.run("shim", "install", str(isolated.place / "bin"))
    assert made.returncode == 0, made.stderr
    return Path(made.stdout.strip())


def _run(
    claude: Path, client: Launcher, *arguments: str, text: str = ""
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [claude, *arguments],
        cwd=client.project,
        env=client.environment,
        input=text,
        capture_output=True,
        text=True,
        check=False,
        timeout=_PATIENCE_SECONDS,
    )


def test_it_answers_and_says_nothing_of_its_own(claude: Path, isolated: Launcher) -> None:
    done = _run(claude, isolated, "-p", "hello")

    assert (done.returncode, done.stdout, done.stderr) == (0, "Hello from the stand-in\n", "")
    assert _run(claude, isolated, "-v").stdout == f"{VERSION} (Claude Code)\n"
    assert "unknown option" in _run(claude, isolated, "--dry-run").stderr


def test_it_speaks_in_a_stream(claude: Path, isolated: Launcher) -> None:
    message = {"role": "user", "content": "hello"}
    text = json.dumps({"type": "user", "session_id": "", "message": message})

    done = _run(claude, isolated, *_STREAMED, text=f"{text}\n")

    kinds = [json.loads(line)["type"] for line in done.stdout.splitlines()]
    assert (done.returncode, kinds[-1]) == (0, "result")
    assert {"user", "assistant", "stream_event"} <= set(kinds)


def test_files_that_are_named_are_read_and_written(
    claude: Path, isolated: Launcher, api: MessagesApi
) -> None:
    place = isolated.place / "named"
    (place / "more").mkdir(parents=True)
    (place / "system.txt").write_text("You are a parrot of the test")
    (place / "settings.json").write_text('{"model": "claude-of-the-test"}')
    (place / "more" / "word.txt").write_text("x")
    named = ("--system-prompt-file", str(place / "system.txt"), "--settings")
    debug = ("--debug-file", str(place / "debug.txt"), "--add-dir", str(place / "more"))

    done = _run(claude, isolated, *named, str(place / "settings.json"), *debug, "-p", text="hello")

    assert done.returncode == 0, done.stderr
    assert "parrot of the test" in json.dumps(api.requests[-1]["system"])
    assert api.requests[-1]["model"] == "claude-of-the-test"
    assert "[DEBUG]" in (place / "debug.txt").read_text()


def test_a_wrapped_binary_is_left_out(claude: Path, isolated: Launcher) -> None:
    theirs = isolated.place / "extension" / "resources" / "native-binary" / "claude"
    theirs.parent.mkdir(parents=True)
    theirs.touch()

    done = _run(claude, isolated, str(theirs), "-p", "hello")

    assert (done.returncode, done.stdout) == (0, "Hello from the stand-in\n"), done.stderr


def test_a_missing_image_is_got_where_it_may_be(isolated: Launcher, tmp_path: Path) -> None:
    version = new_version()
    packages = MadeUp(tmp_path / "cache", tmp_path / "data")
    packages.add(version)
    (isolated.project / ".claude-version").write_text(version)
    places = {"XDG_CACHE_HOME": str(packages.cache), "XDG_DATA_HOME": str(packages.data)}
    isolated.environment |= places
    plain, getting = (
        Path(isolated.run("shim", "install", str(tmp_path / name), *options).stdout.strip())
        for name, options in (("plain", ()), ("getting", ("--provision",)))
    )
    try:
        refused = _run(plain, isolated, "-p", "x")
        got = _run(getting, isolated, "-p", "x")
        found = _run(plain, isolated, "-p", "x")
    finally:
        remove_images(version)

    assert (refused.returncode, refused.stdout) == (66, "")
    assert f"pinnace-build build {version}" in refused.stderr
    # Its CLI says what it is, whatever it is asked.
    said = (0, f"{version} (Claude Code)\n", "")
    assert (got.returncode, got.stdout, got.stderr) == said
    assert (found.returncode, found.stdout, found.stderr) == said
    notes = isolated.run("shim", "status", "--json")
    assert "pinnace-build" in notes.stdout
