"""Variables of a shell, a CI or a hook that are not meant for what Pinnace starts."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest

from pinnace_core.environment import KEPT_BACK
from tests.engine.conftest import VERSION

if TYPE_CHECKING:
    from tests.engine.conftest import Launcher

# What does harm where it is heeded; of the others, a word that nobody understands.
_HARMFUL: Final = {
    "DOCKER_DEFAULT_PLATFORM": "linux/s390x",
    "DOCKER_CONTENT_TRUST": "1",
    "DOCKER_BUILDKIT": "0",
    "GIT_CONFIG_COUNT": "1",
    "GIT_TRACE": "1",
    "npm_config_dry_run": "true",
    "npm_config_global": "true",
    "npm_config_location": "global",
    "npm_config_workspaces": "true",
    "npm_config_json": "false",
    "npm_config_silent": "true",
    "npm_config_loglevel": "silent",
}
_OF_NPM: Final = sorted(name for name in KEPT_BACK if name.startswith("npm_"))
_OF_A_LAUNCH: Final = sorted(set(KEPT_BACK) - set(_OF_NPM))


@pytest.mark.parametrize("name", _OF_A_LAUNCH)
def test_no_launch_is_harmed(launcher: Launcher, name: str) -> None:
    launcher.environment[name] = _HARMFUL.get(name, "nonsense")

    done = launcher.run("run", "--", "--version")

    assert (done.returncode, done.stdout) == (0, f"{VERSION} (Claude Code)\n"), done.stderr


@pytest.mark.parametrize("name", [*_OF_NPM, "NPM_CONFIG_DRY_RUN"])
def test_no_question_to_the_registry_is_harmed(launcher: Launcher, name: str) -> None:
    launcher.environment[name] = _HARMFUL.get(name.lower(), "nonsense")

    done = launcher.run("pin", "latest")

    assert done.returncode == 0, done.stderr


def test_the_image_is_the_same_whatever_is_set(launcher: Launcher, image: str) -> None:
    rest = {name: _HARMFUL.get(name, "1") for name in _OF_A_LAUNCH if not name.startswith("GIT_")}
    launcher.environment.update(rest)

    assert launcher.build(VERSION) == image


def test_a_locked_version_is_fetched_however_new_it_is_and_another_is_not(
    launcher: Launcher,
) -> None:
    usual, npmrc = Path(launcher.environment["NPM_CONFIG_USERCONFIG"]), launcher.place / "npmrc"
    own = usual.read_text(encoding="utf-8") if usual.is_file() else ""
    npmrc.write_text(f"{own}\nbefore=2015-01-01\n", encoding="utf-8")
    launcher.environment["NPM_CONFIG_USERCONFIG"] = str(npmrc)
    launcher.environment["XDG_CACHE_HOME"] = str(launcher.place / "cache")

    refused = launcher.run("pin", "1.0.128", "--lock")
    launcher.program = [sys.executable, "-m", "pinnace_builder"]
    output = f"--out={launcher.place / 'context'}"
    fetched = launcher.run("render", VERSION, "--platform=linux/amd64", output)

    assert refused.returncode == 65
    assert "min-release-age" in refused.stderr
    assert fetched.returncode == 0, fetched.stderr


def test_no_module_of_a_project_is_imported(launcher: Launcher) -> None:
    (launcher.project / "click.py").write_text("raise SystemExit('the project was run')\n")
    launcher.environment["PYTHONPATH"] = os.pathsep.join((str(launcher.project), "src"))

    done = launcher.run("status")

    assert done.returncode == 0, done.stderr


def test_a_value_reaches_claudes_shell_and_what_is_unknown_is_told(launcher: Launcher) -> None:
    launcher.environment |= {"MCP_TIMEOUT": "7", "CLAUDE_CODE_MADE_UP": "1", "TRACEPARENT": "00-1"}
    launcher.environment["PINNACE_ENVIRONMENT"] = "GREETING=a=b"
    script = 'echo "$GREETING|$MCP_TIMEOUT|$TRACEPARENT|$CLAUDE_CODE_MADE_UP"'

    done = launcher.run("shell", text=script)

    assert (done.returncode, done.stdout) == (0, "a=b|7|00-1|\n"), done.stderr
    assert "stays outside: CLAUDE_CODE_MADE_UP" in done.stderr
