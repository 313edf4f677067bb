"""What the tests on the real engine share. An absent engine is a failure, never a skip."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pinnace_core import paths
from tests.support.messages_api import MessagesApi, Text
from tests.support.registry import RealRegistry

if TYPE_CHECKING:
    from collections.abc import Iterator


VERSION = "2.1.330"
OTHER_VERSION = "2.1.329"
# Read before any fixture moves it: packages of 170 MB are fetched once, not once a test.
_CACHE = paths.directory("cache").parent
_REAL_ENVIRONMENT = dict(os.environ)
_NPMRC = Path.home() / ".npmrc"
_DROPPED = ("ANTHROPIC_", "CLAUDE", "PINNACE_", "XDG_", "IS_SANDBOX")


@dataclass
class Launcher:
    """`pinnace` in a project, with directories of its own and the stand-in API."""

    project: Path
    environment: dict[str, str]
    program: list[str] = field(default_factory=lambda: [sys.executable, "-m", "pinnace"])

    def argv(self, *arguments: str) -> list[str]:
        """Spell the command."""
        return [*self.program, *arguments]

    def start(self, *arguments: str, **options: object) -> subprocess.Popen[str]:
        """Start it with pipes."""
        return subprocess.Popen(  # type: ignore[call-overload,no-any-return]
            self.argv(*arguments),
            cwd=self.project,
            env=self.environment,
            text=True,
            **{
                "stdin": subprocess.DEVNULL,
                "stdout": subprocess.PIPE,
                "stderr": subprocess.PIPE,
                **options,
            },
        )

    def run(self, *arguments: str, text: str = "") -> subprocess.CompletedProcess[str]:
        """Run it to its end."""
        return subprocess.run(
            self.argv(*arguments),
            cwd=self.project,
            env=self.environment,
            input=text,
            capture_output=True,
            text=True,
            check=False,
        )

    def printed(self, *options: str, claude: tuple[str, ...] = ()) -> str:
        """Return the line of a dry run, once a launch has made the files that it names."""
        done = self.run("run", "--dry-run", *options, *claude)
        assert done.returncode == 0, done.stderr
        if "a launch would first" in done.stderr:
            launched = self.run("run", *options, "--", "--version")
            assert launched.returncode == 0, launched.stderr
        return done.stdout


@pytest.fixture(scope="session")
def image() -> str:
    """Build the pinned image, or find it built; return its id."""
    return build(VERSION)


def build(version: str) -> str:
    """Build an image with the real command; return its id."""
    command = [sys.executable, "-m", "pinnace_builder.cli", "build", version]
    done = subprocess.run(
        command, check=False, env=_REAL_ENVIRONMENT, stdout=subprocess.PIPE, text=True
    )
    assert done.returncode == 0, "the image could not be built: see above"
    return docker("image", "inspect", "--format", "{{.Id}}", done.stdout.strip())


def docker(*arguments: str) -> str:
    """Ask the engine."""
    done = subprocess.run(
        ["docker", *arguments], check=True, capture_output=True, text=True, env=_REAL_ENVIRONMENT
    )
    return done.stdout.strip()


def containers_of(project: Path) -> list[str]:
    """List the containers that hold a project."""
    return docker("ps", "-aq", "--filter", f"label=pinnace.run.workspace={project}").split()


@pytest.fixture
def api() -> Iterator[MessagesApi]:
    """Serve the stand-in API where containers reach it."""
    with MessagesApi([Text("Hello from the stand-in")], host="0.0.0.0") as server:  # noqa: S104
        yield server


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[RealRegistry]:
    """Serve a real registry on loopback, empty at first."""
    with RealRegistry(tmp_path / "registry") as server:
        yield server


@pytest.fixture
def launcher(tmp_path: Path, api: MessagesApi) -> Launcher:
    """Return `pinnace` in a pinned project."""
    project = tmp_path / "project"
    project.mkdir()
    (project / ".claude-version").write_text(f"{VERSION}\n", encoding="utf-8")
    home = tmp_path / "home"
    home.mkdir()
    kept = {k: v for k, v in _REAL_ENVIRONMENT.items() if not k.startswith(_DROPPED)}
    return Launcher(
        project,
        kept
        | {
            "HOME": str(home),
            "PWD": str(project),
            "XDG_CACHE_HOME": str(_CACHE),
            "NPM_CONFIG_USERCONFIG": str(_NPMRC),
            "ANTHROPIC_BASE_URL": api.url_for("host.docker.internal"),
            "ANTHROPIC_API_KEY": "sk-ant-test-0123456789abcdefghijklmnop",
            "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
            "CLAUDE_CODE_MAX_RETRIES": "0",
            "TERM": "xterm-256color",
        },
    )
