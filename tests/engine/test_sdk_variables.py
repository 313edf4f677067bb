"""Values of `env` and of files are in no argument list that other users of the machine can read."""

from __future__ import annotations

import json
import sys
import threading
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import anyio
import pytest
from claude_agent_sdk import ClaudeAgentOptions, ClaudeSDKClient

from pinnace.agent_sdk import transport
from tests.support.at_terminal import at_terminal
from tests.support.messages_api import Text, ToolUse

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

    from pinnace import Pinnace
    from tests.engine.conftest import Launcher
    from tests.support.messages_api import MessagesApi

pytestmark = [pytest.mark.engine, pytest.mark.timeout(600)]
_CANARY: Final = "canary-6b0d"
_ENV: Final = {
    "MY_PLACE": _CANARY,
    "MY_TOKEN": f"{_CANARY}-token",
    "ANTHROPIC_MODEL": f"{_CANARY}-model",
    # Without the word: Claude's own shell has it in an argument.
    "PATH": "/usr/local/bin:/usr/bin:/bin:/of-my-own",
    "LD_LIBRARY_PATH": f"/{_CANARY}",
    "MY_LINES": f"{_CANARY}\n two\n",
    "MY_TEXT": f"  {_CANARY}='\"$x\\ ü# ",
}
_PRINTED: Final = 'printf \'%s|\' "$MY_PLACE" "$MY_TOKEN" "$MY_LINES" "$MY_TEXT" "$PATH"'
_NAMES: Final = ("MY_PLACE", "MY_TOKEN", "MY_LINES", "MY_TEXT", "PATH")


def _shown() -> Iterator[str]:
    for place in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = place.read_bytes()
        except OSError:
            continue
        if _CANARY.encode() in words:
            yield words.replace(b"\0", b" ").decode(errors="replace")


@contextmanager
def _nobody_sees_it() -> Iterator[None]:
    """Look at the arguments of all programs, without a pause."""
    over, seen = threading.Event(), set[str]()

    def look() -> None:
        while not over.is_set():
            seen.update(_shown())

    looking = threading.Thread(target=look)
    looking.start()
    try:
        yield
    finally:
        over.set()
        looking.join()
    assert seen == set()


async def _called(box: Pinnace) -> None:
    await box.claude("go on", tools=["Bash"], env=_ENV)


async def _warm(box: Pinnace) -> None:
    plain = {name: value for name, value in _ENV.items() if name != "MY_LINES"}
    async with box.warm():
        await box.claude("go on", tools=["Bash"], env={**plain, "MY_LINES": f"{_CANARY} two"})


async def _detached(box: Pinnace) -> None:
    await (await box.detached("go on", tools=["Bash"], env=_ENV)).result()


async def _by_the_transport(box: Pinnace, launcher: Launcher) -> None:
    del box
    servers = {"one": {"command": "cat", "env": {"KEY": _CANARY}}}
    settings = json.dumps({"env": {"OTHER": _CANARY}})
    env = {name: value for name, value in launcher.environment.items() if "ANTHROPIC" in name}
    options = ClaudeAgentOptions(
        allowed_tools=["Bash"],
        env={**env, **{n: v for n, v in _ENV.items() if n not in {"PATH", "LD_LIBRARY_PATH"}}},
        mcp_servers=servers,  # type: ignore[arg-type]
        settings=settings,
        cwd=launcher.project,
    )
    async with ClaudeSDKClient(options, transport=transport(options)) as client:
        await client.query("go on")
        async for _ in client.receive_response():
            pass


@pytest.mark.parametrize("call", [_called, _warm, _detached, _by_the_transport])
def test_values_go_in_and_no_program_is_called_with_them(
    box: Pinnace, at_home: Launcher, api: MessagesApi, call: Callable[..., Awaitable[None]]
) -> None:
    api.reply_with(ToolUse("Bash", {"command": _PRINTED}), Text("done"))
    more = (at_home,) if call is _by_the_transport else ()

    with _nobody_sees_it():
        anyio.run(partial(call, box, *more))

    (said,) = _results(api)
    expected = [_ENV[name] for name in _NAMES]
    values = said.split("|")
    if call is _warm:
        expected[2] = f"{_CANARY} two"
    if call is _by_the_transport:
        expected[4] = values[4]
    assert values[:5] == expected
    assert api.requests[-1]["model"] == _ENV["ANTHROPIC_MODEL"]


def _results(api: MessagesApi) -> list[str]:
    """Return what the tools said."""
    found: list[str] = []
    for message in api.requests[-1]["messages"]:
        content: Any = message["content"]
        blocks = content if isinstance(content, list) else []
        found += [str(b["content"]) for b in blocks if b["type"] == "tool_result"]
    return found


_AT_TERMINAL: Final = """
import json, os
import anyio
from pinnace import Pinnace

async def main():
    env = json.loads(os.environ["GIVEN"])
    print("ended with", await Pinnace(".").interactive("hello", env=env))

anyio.run(main)
"""


def test_nor_is_one_at_a_terminal(isolated: Launcher) -> None:
    isolated.argv()
    environment = {**isolated.environment, "GIVEN": json.dumps(_ENV)}
    command = [sys.executable, "-c", _AT_TERMINAL]
    with (
        _nobody_sees_it(),
        at_terminal(command, isolated.project, environment) as terminal,
    ):
        terminal.wait_for("stand-in")
        terminal.type("/exit")
        terminal.type("\r")
        terminal.wait_for("ended with 0")


def test_nor_what_a_file_gives(isolated: Launcher) -> None:
    text = f'[run]\nenvironment = ["MY_PLACE={_CANARY}"]\n'
    place = Path(isolated.environment["HOME"], ".config", "pinnace")
    place.mkdir(parents=True, exist_ok=True)
    (place / "config.toml").write_text(text)

    with _nobody_sees_it():
        done = isolated.run("shell", text='echo "$MY_PLACE"\n')

    assert (done.returncode, done.stdout) == (0, f"{_CANARY}\n"), done.stderr
