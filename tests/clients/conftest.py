"""What tests of other programs share: the drop-in `claude` that they start, and what npm has."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest

from tests.engine.conftest import Once, api, image, isolated, launcher, once, tmp_path, way_to_begin

if TYPE_CHECKING:
    from tests.engine.conftest import Launcher

__all__ = ["api", "image", "isolated", "launcher", "once", "tmp_path", "way_to_begin"]
_PACKAGES: Final = (
    "@anthropic-ai/claude-agent-sdk@0.3.330",
    "@agentclientprotocol/claude-agent-acp@0.49.0",
)
# Without the programs of 200 MB that the packages bundle, and without running anything of theirs.
_OPTIONS: Final = ("--omit=optional", "--ignore-scripts", "--no-audit", "--no-fund")
_PATIENCE_SECONDS: Final = 300
_NPMRC: Final = Path.home() / ".npmrc"


@pytest.fixture
def claude(isolated: Launcher) -> Path:
    """The drop-in program."""
    made = isolated.run("shim", "install", str(isolated.place / "bin"))
    assert made.returncode == 0, made.stderr
    return Path(made.stdout.strip())


@pytest.fixture(scope="session")
def packages(once: Once) -> Path:
    """Install the clients; the programs here that use them lie beside."""
    return once("clients", _install)


def _install(place: Path) -> None:
    for program in Path(__file__).parent.glob("*.mjs"):
        shutil.copy(program, place)
    (place / "package.json").write_text('{"private": true}')
    cache = place / "cache"
    npmrc = os.environ.get("NPM_CONFIG_USERCONFIG") or str(_NPMRC)
    done = subprocess.run(
        ["npm", "install", *_OPTIONS, *_PACKAGES],
        cwd=place,
        env={**os.environ, "NPM_CONFIG_CACHE": str(cache), "NPM_CONFIG_USERCONFIG": npmrc},
        check=False,
        timeout=_PATIENCE_SECONDS,
    )
    assert done.returncode == 0, "the clients could not be installed: see above"
    shutil.rmtree(cache, ignore_errors=True)
