"""The official Agent SDK for TypeScript, and what is built on it, with the drop-in `claude`."""

from __future__ import annotations

import json
import subprocess
from typing import TYPE_CHECKING, Any, Final

import pytest

from tests.engine.conftest import containers_of
from tests.support.messages_api import Text, ToolUse
from tests.support.waiting import wait_until

if TYPE_CHECKING:
    from pathlib import Path

    from tests.engine.conftest import Launcher
    from tests.support.messages_api import MessagesApi

_PATIENCE_SECONDS: Final = 180
_ADAPTER: Final = "node_modules/@agentclientprotocol/claude-agent-acp/dist/index.js"


def _node(client: Launcher, *argv: str | Path, **variables: str) -> dict[str, Any]:
    """Run a program for node; return what it prints at its end."""
    done = subprocess.run(
        ["node", *argv],
        cwd=client.place,
        env={**client.environment, **variables},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=_PATIENCE_SECONDS,
    )
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def _will_write(api: MessagesApi, project: Path) -> Path:
    """Let Claude write a file, for which it has to ask, and say so; return the file."""
    path = project / "word.txt"
    api.reply_with(
        ToolUse("Write", {"file_path": str(path), "content": "a word\n"}), Text("It is written")
    )
    return path


def _bundled(place: Path, kind: str) -> list[str]:
    """Make the Claude that an editor bundles, which nobody runs; return how it is started."""
    names = {"binary": "native-binary/claude", "script": "claude-code/cli.js"}
    if kind not in names:
        return []
    path = place / "extension" / "resources" / names[kind]
    path.parent.mkdir(parents=True)
    path.write_text("#!/bin/sh\nexit 3\n")
    path.chmod(0o755)
    return ["node", str(path)] if kind == "script" else [str(path)]


@pytest.mark.parametrize("bundled", ["path", "none", "binary", "script"])
def test_the_typescript_sdk_and_editors_that_wrap_theirs(
    claude: Path, isolated: Launcher, api: MessagesApi, packages: Path, bundled: str
) -> None:
    written = _will_write(api, isolated.project)
    way = "path" if bundled == "path" else "spawn"
    asked = {"claude": str(claude), "cwd": str(isolated.project), "way": way}
    wrapped = {"wrapped": _bundled(isolated.place, bundled)}

    said = _node(isolated, packages / "agent_sdk.mjs", json.dumps({**asked, **wrapped}))

    assert said == {"asked": ["Write"], "subtype": "success", "result": "It is written"}
    assert written.read_text() == "a word\n"
    # The SDK does not wait for the end of what it has told to end.
    wait_until(lambda: containers_of(isolated.project) == [], "the container goes")


def test_an_editor_prompts_by_acp(
    claude: Path, isolated: Launcher, api: MessagesApi, packages: Path
) -> None:
    written = _will_write(api, isolated.project)

    said = _node(
        isolated,
        *(packages / "acp.mjs", packages / _ADAPTER, isolated.project),
        CLAUDE_CODE_EXECUTABLE=str(claude),
    )

    assert said == {"asked": ["edit"], "said": "It is written", "stopReason": "end_turn"}
    assert written.read_text() == "a word\n"
    # The SDK does not wait for the end of what it has told to end.
    wait_until(lambda: containers_of(isolated.project) == [], "the container goes")
