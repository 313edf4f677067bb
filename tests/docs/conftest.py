"""Where what the pages show is run: a project, the real engine and CLI, the stand-in API."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pinnace_builder.base import CA_VARIABLE, MIRROR_VARIABLE
from pinnace_core import host
from tests.support.messages_api import MessagesApi, Text

if TYPE_CHECKING:
    from collections.abc import Iterator

VERSION = "2.1.330"
ANSWER = "Hello!"
# Read before any fixture moves it: packages of 170 MB are fetched once, not once a test.
_CACHE = host.directory("cache").parent
_HOME = Path.home()
_REAL_ENVIRONMENT = dict(os.environ)
_DROPPED = ("ANTHROPIC_", "CLAUDE", "PINNACE_", "XDG_", "IS_SANDBOX")
# A base of another mirror would be another image.
_KEPT = (MIRROR_VARIABLE, CA_VARIABLE)


@pytest.fixture(scope="session")
def image() -> None:
    """Build the image that the pages speak of, or find it built."""
    argv = [sys.executable, "-m", "pinnace_builder", "build", VERSION]
    done = subprocess.run(argv, check=False, env=_REAL_ENVIRONMENT, stdout=subprocess.PIPE)
    assert done.returncode == 0, "the image could not be built: see above"


@pytest.fixture
def api() -> Iterator[MessagesApi]:
    """Serve the stand-in API where containers reach it."""
    with MessagesApi([Text(ANSWER)], host="0.0.0.0") as server:  # noqa: S104
        yield server


@pytest.fixture
def environment(tmp_path: Path, api: MessagesApi) -> dict[str, str]:
    """Return an environment with directories of its own, but the real cache and engine."""
    home = tmp_path / "home"
    (home / "hello").mkdir(parents=True)
    kept = {k: v for k, v in _REAL_ENVIRONMENT.items() if not k.startswith(_DROPPED) or k in _KEPT}
    defaults = {
        "DOCKER_CONFIG": str(_HOME / ".docker"),
        "NPM_CONFIG_USERCONFIG": str(_HOME / ".npmrc"),
    }
    return {
        **defaults,
        **kept,
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{kept['PATH']}",
        "HOME": str(home),
        "XDG_DATA_HOME": str(tmp_path / "data"),
        "XDG_STATE_HOME": str(tmp_path / "state"),
        "XDG_CACHE_HOME": str(_CACHE),
        "ANTHROPIC_BASE_URL": api.url_for("host.docker.internal"),
        "ANTHROPIC_API_KEY": "sk-ant-test-0123456789abcdefghijklmnop",
        "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
        "CLAUDE_CODE_MAX_RETRIES": "0",
        # Nothing is left that a page did not ask for.
        "PINNACE_STANDBY": "0",
    }
