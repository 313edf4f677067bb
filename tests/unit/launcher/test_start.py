"""Where a launch's time goes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pinnace.launch.clock import Clock, Step, described

if TYPE_CHECKING:
    import pytest


def test_each_step_is_timed_from_the_one_before(monkeypatch: pytest.MonkeyPatch) -> None:
    moments = iter([10.0, 10.5, 12.0])
    monkeypatch.setattr("time.perf_counter", lambda: next(moments))
    monkeypatch.setattr("time.process_time", lambda: 0.02)

    clock = Clock()
    clock.mark("image")
    clock.mark("run")

    assert clock.steps == [Step("python, imports", 0.02), Step("image", 0.5), Step("run", 1.5)]


def test_the_run_itself_is_not_ours() -> None:
    steps = [Step("python, imports", 0.02), Step("image", 0.0125), Step("run", 2)]

    assert described(steps) == [
        "     20.0 ms  python, imports",
        "     12.5 ms  image",
        "     32.5 ms  before the hand-over",
        "   2000.0 ms  run",
    ]
