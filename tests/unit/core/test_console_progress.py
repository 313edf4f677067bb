"""Progress, on a terminal and elsewhere."""

from __future__ import annotations

import io
import time
from contextlib import redirect_stderr
from typing import TYPE_CHECKING

import pytest

from pinnace_core import console

if TYPE_CHECKING:
    from collections.abc import Iterable

_MIB = 1 << 20


class _Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def _shown(size: int | None, received: Iterable[int]) -> str:
    """Return what a terminal shows of a download."""
    # Not a fixture: between set-up and test, pytest puts its own stderr back.
    terminal = _Terminal()
    with redirect_stderr(terminal), console.download("fetching x", size) as update:
        for number in received:
            update(number)
    return terminal.getvalue()


def test_what_is_going_on_is_said_on_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    console.say("pulling")

    assert capsys.readouterr() == ("", "pinnace-build: pulling\n")


@pytest.mark.parametrize(
    ("size", "line"),
    [(7 * _MIB, "fetching x (7 MiB)"), (None, "fetching x")],
    ids=["known size", "unknown size"],
)
def test_elsewhere_than_on_a_terminal_a_download_is_announced_in_a_line(
    size: int | None, line: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with console.download("fetching x", size) as update:
        for received in range(0, 7 * _MIB, _MIB):
            update(received)

    assert capsys.readouterr() == ("", f"pinnace-build: {line}\n")


def test_a_slow_download_says_now_and_then_how_far_it_is(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    now = 1000.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    with console.download("fetching x", 100 * _MIB) as update:
        for received in range(100):
            now += 1.0
            update(received * _MIB)

    lines = capsys.readouterr().err.splitlines()
    assert 2 < len(lines) < 50
    assert all("of 100 MiB" in line for line in lines[1:])
    assert "\r" not in "".join(lines)


def test_on_a_terminal_a_bar_reaches_its_end() -> None:
    shown = _shown(4 * _MIB, [_MIB])

    assert "fetching x" in shown
    assert "100%" in shown


@pytest.mark.parametrize(
    "received", [[5, 3, 1], [0, 0], [20, 30], [-1], []], ids=["back", "none", "more", "odd", "no"]
)
def test_a_bar_bears_any_numbers(received: list[int]) -> None:
    assert "100%" in _shown(10, received)


def test_a_download_that_fails_is_not_shown_as_complete() -> None:
    terminal = _Terminal()

    def fail() -> None:
        with redirect_stderr(terminal), console.download("x", 10) as update:
            update(4)
            raise ConnectionError

    with pytest.raises(ConnectionError):
        fail()
    assert "100%" not in terminal.getvalue()


@pytest.mark.parametrize("size", [None, 0, 5 * _MIB], ids=["unknown", "nothing", "known"])
def test_a_terminal_is_left_at_the_start_of_a_line(size: int | None) -> None:
    shown = _shown(size, [3 * _MIB])

    assert "fetching x" in shown
    assert shown.endswith("\n")
