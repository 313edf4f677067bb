"""The levels of tests: their order, how long one test may take, and how long all of them took."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

_TESTS: Final = Path(__file__).parents[1]
# Seconds for one test, with what its fixtures prepare: on a new machine, an image is built.
LIMITS: Final = {
    "unit": 60,
    "golden": 60,
    "process": 60,
    "package": 300,
    "docs": 600,
    "engine": 600,
    "attacks": 600,
    "clients": 600,
}
"""The levels, cheap ones first."""
ON_ENGINE: Final = ("engine", "attacks", "clients")
"""Those that run on the real engine, and share its fixtures."""
_SLOWEST: Final = 10
# Hypothesis and tests of hostile input have names of many kilobytes.
_NAME_CHARACTERS: Final = 120


def level_of(path: Path) -> str:
    """Return the folder below tests/ that a test is in."""
    return path.relative_to(_TESTS).parts[0]


def arrange(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Put cheap levels first, and give every test a limit.

    Tests that go together (`xdist_group`) come before the others of their level, unless the order
    is random: a worker that is still busy with them at the end would be alone.
    """
    order = list(LIMITS)
    shuffled = config.pluginmanager.hasplugin("randomly")

    def place(item: pytest.Item) -> tuple[int, bool]:
        alone = item.get_closest_marker("xdist_group") is None
        return order.index(level_of(item.path)), alone and not shuffled

    items.sort(key=place)
    _require_groups(config, items)
    for item in items:
        level = level_of(item.path)
        if item.get_closest_marker("timeout") is None:
            item.add_marker(pytest.mark.timeout(LIMITS[level]))
        if level in ON_ENGINE:
            item.add_marker("engine")
        if level == "attacks":
            item.add_marker("promise")


def _require_groups(config: pytest.Config, items: list[pytest.Item]) -> None:
    """See that pytest-xdist has marked its groups: it sends them to one worker by their names."""
    grouped = [one for one in items if one.get_closest_marker("xdist_group")]
    if hasattr(config, "workerinput") and any("@" not in one.nodeid for one in grouped):
        raise pytest.UsageError("this pytest-xdist cannot group the tests of this pytest")


@dataclass
class _Times:
    """How long the tests of a level took.

    Attributes:
        begin, end: of the first and the last, in seconds since the epoch.
        tests: seconds by the test's name, with its fixtures.
    """

    begin: float
    end: float
    tests: dict[str, float]


class Stopwatch:
    """A plugin that reports times; of workers, the one process that reports for them has it."""

    def __init__(self) -> None:
        self._levels: dict[str, _Times] = {}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Note a phase of a test."""
        level = report.nodeid.removeprefix("tests/").partition("/")[0]
        times = self._levels.setdefault(
            level, _Times(report.start, report.stop, defaultdict(float))
        )
        times.begin, times.end = min(times.begin, report.start), max(times.end, report.stop)
        times.tests[report.nodeid] += report.duration

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Write the times."""
        if self._levels:
            terminalreporter.section("times")
            for line in self.lines():
                terminalreporter.write_line(line)

    def lines(self) -> Iterator[str]:
        """Say how long each level took from its first test to its last, and which were slowest."""
        for level in sorted(self._levels, key=list(LIMITS).index):
            times = self._levels[level]
            took, work = times.end - times.begin, sum(times.tests.values())
            yield f"{level:8} {len(times.tests):5} tests in {took:6.1f} s, {work:7.1f} s of work"
        everything = {name: s for times in self._levels.values() for name, s in times.tests.items()}
        yield "the slowest:"
        for name in sorted(everything, key=everything.__getitem__, reverse=True)[:_SLOWEST]:
            yield f"{everything[name]:8.1f} s  {name[:_NAME_CHARACTERS]}"
