"""Who may let Claude do without asking: the user, in the command, where something contains it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.support.messages_api import Text, ToolUse

if TYPE_CHECKING:
    from tests.engine.conftest import Launcher
    from tests.support.messages_api import MessagesApi

pytestmark = pytest.mark.promise()
_FILES = ("settings.json", "settings.local.json")


def _wrote(launcher: Launcher, api: MessagesApi, *options: str) -> bool:
    api.reply_with(
        ToolUse("Bash", {"command": "echo x > written; chmod 600 written"}), Text("done")
    )
    done = launcher.run(*options, "-p", "write")
    assert done.returncode == 0, done.stderr
    return (launcher.project / "written").exists()


def _asks_to_bypass(launcher: Launcher, name: str) -> None:
    own = launcher.project / ".claude"
    own.mkdir(exist_ok=True)
    (own / name).write_text(json.dumps({"permissions": {"defaultMode": "bypassPermissions"}}))


@pytest.mark.promise(each=True)
@pytest.mark.parametrize("name", _FILES)
def test_a_projects_file_does_not_choose_it(
    isolated: Launcher, api: MessagesApi, name: str
) -> None:
    _asks_to_bypass(isolated, name)
    assert not _wrote(isolated, api)


def test_what_the_command_chooses_counts_whatever_the_file_says(
    isolated: Launcher, api: MessagesApi
) -> None:
    _asks_to_bypass(isolated, _FILES[0])
    assert _wrote(isolated, api, "--dangerously-skip-permissions")


@pytest.mark.parametrize(
    "options",
    [
        ("--dangerously-skip-permissions",),
        ("--permission-mode", "bypassPermissions"),
        ("--permission-mode=bypassPermissions",),
        ("--allow-dangerously-skip-permissions",),
        ("--settings", '{"permissions": {"defaultMode": "bypassPermissions"}}'),
    ],
)
def test_where_nothing_contains_it_it_is_refused(
    isolated: Launcher, options: tuple[str, ...]
) -> None:
    done = isolated.run("run", "--isolation", "open", *options, "-p", "write")

    assert done.returncode == 77
    assert "must not do without asking" in done.stderr


def test_nor_do_settings_of_claudes_choose_it_there(isolated: Launcher, api: MessagesApi) -> None:
    isolated.environment["PINNACE_ISOLATION"] = "open"
    _asks_to_bypass(isolated, _FILES[0])
    assert not _wrote(isolated, api)


@pytest.mark.parametrize("name", ["host", "none"])
def test_no_gateway_is_on_this_machines_own_network(isolated: Launcher, name: str) -> None:
    done = isolated.run("run", "--gateway-network", name, "-p", "hi")
    assert done.returncode == 64
    assert "network" in done.stderr
