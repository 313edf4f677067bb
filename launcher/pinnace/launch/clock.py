"""Where a launch's time goes: how long each of its steps takes."""

from __future__ import annotations

import time

from pinnace_core.tuples import NamedTuple


class Step(NamedTuple):
    """A step of a launch, and how long it took, in seconds."""

    name: str
    seconds: float


class Clock:
    """Notes the end of each step. Always on: a note costs less than a microsecond."""

    def __init__(self) -> None:
        """Begin; what came before is told by the processor time that this process has used.

        Nothing else knows when it was started: Linux keeps that moment in hundredths of a second.
        """
        self.steps = [Step("python, imports", time.process_time())]
        self._last = time.perf_counter()

    def mark(self, name: str) -> None:
        """Note that a step has ended."""
        now = time.perf_counter()
        self.steps.append(Step(name, now - self._last))
        self._last = now


def described(steps: list[Step]) -> list[str]:
    """Describe steps, the last of which is the run itself: a line each, in milliseconds."""
    ours = sum(step.seconds for step in steps[:-1])
    total = [*steps[:-1], Step("before the hand-over", ours), steps[-1]]
    return [f"{step.seconds * 1000:9.1f} ms  {step.name}" for step in total]
