"""Attacks on the user's terminal: what a project or an agent names and prints stays text."""

from __future__ import annotations

import re
import subprocess
from typing import TYPE_CHECKING, Final

import pytest

from tests.attacks.conftest import fresh_place
from tests.engine.conftest import launching
from tests.support.at_terminal import at_terminal

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.engine.conftest import Launcher

pytestmark = pytest.mark.xdist_group("attacks on the terminal")
_KEPT: Final = pytest.mark.promise(
    each=True,
    apart={
        "standby": "nobody keeps what such a launch prints",
        "parallel": "nobody keeps what such a launch prints: its program reads it",
    },
)
# To write to the clipboard, set the title, show a link, ask for an answer, hide and replace text.
_COMMANDS: Final = {
    "clipboard": "\x1b]52;c;aGk=\x07",
    "title": "\x1b]2;owned\x1b\\",
    "link": "\x1b]8;;https:evil\x1b\\text\x1b]8;;\x1b\\",
    "answer": "\x1b[6n",
    "clear": "\x1b[2J\x1b[H",
    "hidden": "\x1b[8m",
    "eight bits": "\x9b2J",
    "device": "\x1bP+q436f\x1b\\",
    "bell": "\x07",
    "back": "safe\x08\x08\x08\x08evil",
    "over": "safe\revil",
}
_TURNED: Final = {"turned": "\u202egnp.exe", "isolated": "\u2066x\u2069", "joined": "a\u200bb"}
_VERBS: Final = (
    ("run", "--dry-run"),
    ("status",),
    ("ps",),
    ("ps", "--all"),
    ("network", "show"),
    ("isolation", "show"),
    ("auth", "status"),
    ("trust",),
    ("nothing\x1b]2;owned\x07",),
    ("stop", "nobody\x1b]2;owned\x07"),
    ("network", "allow", "x\x1b]2;owned\x07"),
)
_CONTROL: Final = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u200b-\u200f\u202a-\u202e\u2066-\u2069]"
)


@pytest.fixture(scope="module")
def hostile(image: str, way_to_begin: str) -> Iterator[Launcher]:
    """A launch that runs, in a project whose name and whose output are full of commands."""
    assert image
    with fresh_place() as place, launching(place, "http://127.0.0.1:9", way_to_begin) as launcher:
        launcher.environment["PINNACE_ISOLATION"] = "locked"
        named = "".join((*_COMMANDS.values(), *_TURNED.values())).replace("/", "")
        launcher.project = launcher.project.rename(place / named)
        child = launcher.start("shell", stdin=subprocess.PIPE)
        assert child.stdin is not None
        assert child.stdout is not None
        for name, text in _COMMANDS.items():
            coded = "".join(f"\\x{byte:02x}" for byte in text.encode())
            child.stdin.write(f"printf '{name}:{coded}|\\n'\n")
        child.stdin.write("printf 'unended:\\x1b]52;c;'; echo; echo END\n")
        child.stdin.flush()
        while child.stdout.readline() != "END\n":
            assert child.poll() is None
        yield launcher


def _at_terminal(launcher: Launcher, *arguments: str) -> str:
    argv = launcher.argv(*arguments)
    with at_terminal(argv, launcher.project, launcher.environment) as terminal:
        terminal.wait()
        return terminal.said.replace("\r\n", "\n")


@pytest.mark.parametrize("verb", _VERBS, ids=" ".join)
def test_what_a_verb_prints_is_text(hostile: Launcher, verb: tuple[str, ...]) -> None:
    said = _at_terminal(hostile, *verb)

    assert said
    assert _CONTROL.findall(said) == []
    assert "\r" not in said


@_KEPT
def test_what_logs_print_on_a_terminal_is_text(hostile: Launcher) -> None:
    said = _at_terminal(hostile, "logs")

    assert "END\n" in said
    assert _CONTROL.findall(said) == []
    assert "\r" not in said.replace("\\r", "")
    for name in _COMMANDS:
        assert f"{name}:" in said


@_KEPT
def test_into_a_pipe_or_with_raw_not_a_byte_is_changed(hostile: Launcher) -> None:
    piped = hostile.run("logs").stdout
    raw = _at_terminal(hostile, "logs", "--raw")

    for text in _COMMANDS.values():
        if "\r" not in text:
            assert text in piped
            assert text in raw
