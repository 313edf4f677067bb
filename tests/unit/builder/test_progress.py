"""Progress, on a terminal and elsewhere."""

from __future__ import annotations

import io
import sys
import time

import pytest

from pinnace_builder import progress

_MIB = 1 << 20


class _Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> _Terminal:
    """A terminal as stderr."""
    stream = _Terminal()
    monkeypatch.setattr(sys, "stderr", stream)
    return stream


def test_what_is_going_on_is_said_on_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    progress.say("pulling")

    assert capsys.readouterr() == ("", "pinnace-build: pulling\n")


@pytest.mark.parametrize(
    ("size", "line"),
    [(7 * _MIB, "fetching x (7 MiB)"), (None, "fetching x")],
    ids=["known size", "unknown size"],
)
def test_elsewhere_than_on_a_terminal_a_download_is_announced_in_a_line(
    size: int | None, line: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with progress.download("fetching x", size) as update:
        for received in range(0, 7 * _MIB, _MIB):
            update(received)

    assert capsys.readouterr() == ("", f"pinnace-build: {line}\n")


def test_a_slow_download_says_now_and_then_how_far_it_is(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    now = 1000.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    with progress.download("fetching x", 100 * _MIB) as update:
        for received in range(100):
            now += 1.0
            update(received * _MIB)

    lines = capsys.readouterr().err.splitlines()
    assert 2 < len(lines) < 50
    assert all("of 100 MiB" in line for line in lines[1:])
    assert "\r" not in "".join(lines)


def test_on_a_terminal_a_bar_reaches_its_end(terminal: _Terminal) -> None:
    with progress.download("fetching x", 4 * _MIB) as update:
        update(_MIB)

    assert "fetching x" in terminal.getvalue()
    assert "100%" in terminal.getvalue()
    assert terminal.getvalue().endswith("\n")


@pytest.mark.parametrize(
    "received", [[5, 3, 1], [0, 0], [20, 30], [-1], []], ids=["back", "none", "more", "odd", "no"]
)
def test_a_bar_bears_any_numbers(received: list[int], terminal: _Terminal) -> None:
    with progress.download("x", 10) as update:
        for number in received:
            update(number)

    assert "100%" in terminal.getvalue()


def test_a_download_that_fails_is_not_shown_as_complete(terminal: _Terminal) -> None:
    with pytest.raises(ConnectionError), progress.download("x", 10) as update:
        update(4)
        raise ConnectionError

    assert "100%" not in terminal.getvalue()


@pytest.mark.parametrize("size", [None, 0], ids=["unknown", "nothing"])
def test_a_terminal_is_left_at_the_start_of_a_line(size: int | None, terminal: _Terminal) -> None:
    with progress.download("fetching x", size) as update:
        update(3 * _MIB)

    assert "fetching x" in terminal.getvalue()
    assert terminal.getvalue().endswith("\n")
