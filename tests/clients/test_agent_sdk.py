"""The official Agent SDK for Python, newest and oldest, by the transport and by the drop-in.

Each scenario is what a program does with it, and what it must see: with the real CLI, isolated.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from functools import partial
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest
from packaging.requirements import Requirement

from tests.engine.conftest import KEY, containers_of, launching
from tests.support.agent_sdk import conversations, endings, files, sessions, tools
from tests.support.agent_sdk.kit import SCENARIOS, Scenario
from tests.support.agent_sdk.program import Program
from tests.support.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.engine.conftest import Once

pytestmark = pytest.mark.timeout(400)
assert all((conversations, endings, files, sessions, tools))
_NAME: Final = "claude-agent-sdk"
_NEWEST: Final = metadata.version(_NAME)
_INSTALL_SECONDS: Final = 300


def _oldest() -> str:
    """Return the first version of the SDK that the package says it works with."""
    wanted = [Requirement(one) for one in metadata.requires("pinnace") or ()]
    bounds = [s for one in wanted if one.name == _NAME for s in one.specifier]
    return next(bound.version for bound in bounds if bound.operator == ">=")


def _cases() -> Iterator[object]:
    for version in (_NEWEST, _oldest()):
        for way in ("transport", "drop-in"):
            first = (version, way) == (_NEWEST, "transport")
            for name, one in SCENARIOS.items():
                if (first or one.everywhere) and one.applies(version, isolated=way == "transport"):
                    yield from _of(version, way, name, one)


def _of(version: str, way: str, name: str, one: Scenario) -> Iterator[object]:
    group = pytest.mark.xdist_group(f"agent sdk {version} {way}")
    on_trio = one.trio and (version, way) == (_NEWEST, "transport")
    for backend in ("asyncio", "trio") if on_trio else ("asyncio",):
        identity = f"{version}-{way}-{name}-{backend}"
        yield pytest.param((version, way), name, backend, id=identity, marks=group)


@pytest.fixture(scope="module")
def program(request: pytest.FixtureRequest, image: str, once: Once) -> Iterator[Program]:
    """A program with a version of the SDK, and a way of starting Claude."""
    assert image
    version, way = request.param
    modules = "" if version == _NEWEST else str(once(f"sdk-{version}", partial(_get, version)))
    with tempfile.TemporaryDirectory(prefix="pinnace-test-") as made:
        place = Path(made)
        place.chmod(0o755)
        with launching(place, "http://127.0.0.1:9") as launcher:
            launcher.argv()
            (place / "temporary").mkdir()
            launcher.environment |= {
                "ANTHROPIC_API_KEY": KEY,
                "PINNACE_ISOLATION": "standard",
                "TMPDIR": str(place / "temporary"),
            }
            cli = ""
            if way == "drop-in":
                installed = launcher.run("shim", "install", str(place / "bin"))
                assert installed.returncode == 0, installed.stderr
                cli = installed.stdout.strip()
            own = {"cli": cli, "modules": modules}
            with Program(launcher.project, launcher.environment, **own) as started:
                yield started


def _get(version: str, place: Path) -> None:
    """Install a version of the SDK, without the Claude that its wheels carry.

    Together with an mcp of its time, which it does not ask for: those before 0.2 fail with 2.0.
    """
    asked = ("--no-binary", _NAME, "--target", str(place), f"{_NAME}=={version}", "mcp<2")
    command = [sys.executable, "-m", "pip", "install", "--quiet", *asked]
    done = subprocess.run(command, check=False, timeout=_INSTALL_SECONDS)
    assert done.returncode == 0, "the SDK could not be installed: see above"


@pytest.mark.parametrize(("program", "name", "backend"), list(_cases()), indirect=["program"])
def test_it_does_what_it_does_without_a_container(
    program: Program, name: str, backend: str
) -> None:
    problem = program.run(name, backend)
    assert not problem, problem
    # The transport waits for the end of its container, the SDK not for that of its process.
    project = program.projects / f"{name}-{backend}"
    wait_until(lambda: containers_of(project) == [], "the container goes")
