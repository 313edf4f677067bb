"""Managed settings, as the real CLI heeds them."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pinnace.plan.contributors import policy
from pinnace_images.versions import CliVersion
from tests.engine.conftest import VERSION
from tests.support import hosts
from tests.support.contributions import acquired

if TYPE_CHECKING:
    from tests.engine.conftest import Launcher
    from tests.support.messages_api import MessagesApi


def _printed(image: str, settings: Path, api: MessagesApi) -> subprocess.CompletedProcess[str]:
    """Run Claude with managed settings alone, as plain as docker does it."""
    settings.chmod(0o644)
    command = [
        *(
            "docker",
            "run",
            "--rm",
            "--network=host",
            "--entrypoint=",
            "--tmpfs=/home/agent:uid=1000",
        ),
        *("--env=ANTHROPIC_API_KEY=x", f"--env=ANTHROPIC_BASE_URL={api.url_for('127.0.0.1')}"),
        f"--mount=type=bind,source={settings},target=/etc/claude-code/managed-settings.json,ro",
        *(image, "/opt/claude/bin/claude", "-p", "hi"),
    ]
    return subprocess.run(command, check=False, capture_output=True, text=True, timeout=120)


def test_the_updater_is_off_whatever_the_project_says(launcher: Launcher) -> None:
    own = launcher.project / ".claude"
    own.mkdir()
    env = {"DISABLE_UPDATES": "0", "DISABLE_AUTOUPDATER": "0"}
    (own / "settings.json").write_text(json.dumps({"env": env}))

    done = launcher.run("shell", text="claude update; claude --version")

    assert "Updates are disabled by your administrator" in done.stdout + done.stderr
    assert f"{VERSION} (Claude Code)" in done.stdout


def test_the_cli_refuses_to_be_another_version(
    image: str, api: MessagesApi, tmp_path: Path
) -> None:
    inputs = hosts.inputs(hosts.linux(), isolation="open")._replace(version=CliVersion(2, 1, 329))
    given = acquired(policy.contribute(inputs, outside=tmp_path))

    done = _printed(image, Path(given.mounts[0].source), api)

    assert done.returncode == 1
    assert "newer than the maximum version allowed" in done.stderr


@pytest.mark.parametrize("answered", [False, True], ids=["as it is", "answered"])
def test_a_policy_that_demands_the_clis_own_sandbox_is_answered(
    image: str, api: MessagesApi, tmp_path: Path, *, answered: bool
) -> None:
    demanded = tmp_path / "managed-settings.json"
    demanded.write_text('{"sandbox": {"enabled": true, "failIfUnavailable": true}}')
    inputs = hosts.inputs(hosts.linux(), isolation="open")._replace(
        version=CliVersion.parse(VERSION)
    )
    given = acquired(policy.contribute(inputs, outside=tmp_path))
    settings = Path(given.mounts[0].source) if answered else demanded

    done = _printed(image, settings, api)

    if answered:
        assert (done.returncode, done.stdout) == (0, "Hello from the stand-in\n"), done.stderr
    else:
        assert done.returncode == 1
        assert "sandbox required but unavailable" in done.stderr
