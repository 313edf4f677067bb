"""The official Agent SDK with Pinnace's transport: what its users do, with the real CLI."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest

from tests.engine.conftest import KEY, containers_of, launching

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = [pytest.mark.xdist_group("agent sdk"), pytest.mark.timeout(1200)]
_ROOT: Final = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def reports(image: str) -> Iterator[dict[str, str]]:
    """Run all scenarios, in one process; say what went wrong with each."""
    assert image
    with tempfile.TemporaryDirectory(prefix="pinnace-test-") as made:
        Path(made).chmod(0o755)
        with launching(Path(made), "http://127.0.0.1:9") as launcher:
            launcher.argv()
            command = [sys.executable, "-m", "tests.support.agent_sdk", str(launcher.project)]
            own = {"PYTHONPATH": str(_ROOT), "PINNACE_ISOLATION": "standard"}
            done = subprocess.run(
                command,
                cwd=made,
                env={**launcher.environment, **own, "ANTHROPIC_API_KEY": KEY},
                stdout=subprocess.PIPE,
                check=False,
                text=True,
                timeout=1100,
            )
            assert done.returncode == 0
            # What closes waits for the end of its container.
            left = containers_of(launcher.project)
            found = (json.loads(line) for line in done.stdout.splitlines())
            yield {one["name"]: one["problem"] for one in found} | {"left": " ".join(left)}


def test_all_scenarios_do_what_they_do_without_a_container(reports: dict[str, str]) -> None:
    problems = {n: p for n, p in reports.items() if p not in {"", "does not apply"}}
    assert not problems, "\n".join(f"{name}: {text}" for name, text in problems.items())


def test_most_scenarios_apply(reports: dict[str, str]) -> None:
    assert sum(problem == "" for problem in reports.values()) > 30
