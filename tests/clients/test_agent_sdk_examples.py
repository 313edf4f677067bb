"""The official Agent SDK's own examples, as they are published, isolated.

By the transport, which is put in where they name none; and unchanged, where PATH leads to the
drop-in `claude`. docs/clients.md says which are left out, and why.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tarfile
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

import pytest

from tests.engine.conftest import VERSION, containers_of
from tests.support.messages_api import Reply, Text, ToolUse
from tests.support.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.engine.conftest import Launcher, Once
    from tests.support.messages_api import MessagesApi

_PATIENCE_SECONDS: Final = 240
_ROOT: Final = Path(__file__).parents[2]
# As in the SDK's repository; what is published leaves them out.
_OF_THE_REPOSITORY: Final = {
    ".claude/agents/test-agent.md": "---\nname: test-agent\ndescription: tests\n---\nAnswer.\n",
    ".claude/commands/commit.md": "---\ndescription: commits\n---\nCommit.\n",
}


class Example(NamedTuple):
    """An example, and what is to be seen of it.

    Attributes:
        words: its file, and its arguments.
        replies: of the API; the last one repeats.
        shown: what it prints.
        told: what Claude tells the API of what happened.
        drop_in: whether it runs with the drop-in, too.
        made: the file that it has Claude write in the project.
    """

    words: str
    replies: tuple[Reply, ...]
    shown: tuple[str, ...]
    told: tuple[str, ...] = ()
    drop_in: bool = False
    made: str = ""


def _bash(command: str) -> ToolUse:
    return ToolUse("Bash", {"command": command})


def _write(path: str) -> ToolUse:
    return ToolUse("Write", {"file_path": path, "content": "Hello, World!"})


_DONE: Final = Text("It is done")
_EXAMPLES: Final = (
    Example(
        "quick_start.py",
        (Text("four"), Text("a language"), _write("hello.txt"), _DONE),
        ("Claude: four", "Claude: a language", "Claude: It is done", "Cost: $"),
        drop_in=True,
        made="hello.txt",
    ),
    Example("filesystem_agents.py", (_DONE,), ("SUCCESS: Received", "SUCCESS: test-agent")),
    Example(
        "hooks.py PreToolUse",
        (_bash("./foo.sh --help"), Text("blocked"), _bash("echo 'Hello!'"), Text("allowed")),
        ("Claude: blocked", "Claude: allowed"),
        ("Command contains invalid pattern: foo.sh",),
        drop_in=True,
    ),
    Example(
        "hooks.py DecisionFields",
        (_write("important_config.txt"), Text("no"), _write("regular_file.txt"), Text("yes")),
        ("Claude: no", "Claude: yes"),
        ("Security policy blocks writes to important files",),
        made="regular_file.txt",
    ),
    Example("hooks.py ContinueControl", (_bash("echo 'CRITICAL ERROR'"), _DONE), ("Result ended",)),
    Example(
        "hooks.py PostToolUse",
        (_bash("echo an error"), _DONE),
        ("Claude: It is done",),
        ("The command encountered an error",),
    ),
    Example("agents.py", (_DONE,), ("=== Multiple Agents Example ===", "Claude: It is done")),
    Example("include_partial_messages.py", (_DONE,), ("StreamEvent(", "'text_delta'")),
    Example(
        "mcp_calculator.py",
        (
            Text("listed"),
            *(ToolUse("mcp__calc__add", {"a": 15, "b": 27}), Text("42")),
            *(ToolUse("mcp__calc__divide", {"a": 100, "b": 7}), Text("14")),
            *(ToolUse("mcp__calc__sqrt", {"n": 144}), Text("12")),
            *(ToolUse("mcp__calc__power", {"base": 2, "exponent": 8}), _DONE),
        ),
        ("Using tool: mcp__calc__power", "Tool Result: ", "Claude: It is done"),
        ("15 + 27 = 42", "144 = 12", "256"),
    ),
    Example(
        "setting_sources.py all",
        (_DONE,),
        (
            "/commit is available (expected: CLI defaults loaded)",
            "/commit is NOT available (expected: sources disabled)",
            "/commit is NOT available (expected)",
            "/commit is available (expected)",
        ),
    ),
    Example("system_prompt.py", (_DONE,), ("=== Preset System Prompt with Append", "It is done")),
    Example(
        "tools_option.py",
        (_DONE,),
        ("system message: ['Glob', 'Grep', 'Read']", "system message: []", " tools): ["),
    ),
    Example("streaming_mode_trio.py", (_DONE,), ("Conversation complete!",)),
    *(
        Example(f"streaming_mode.py {words}", replies, shown)
        for words, replies, shown in (
            ("multi_turn_conversation", (Text("Paris"), _DONE), ("Claude: Paris", "It is done")),
            ("with_interrupt", (Text("one, two"), _DONE), ("Claude: It is done",)),
            ("manual_message_handling", (Text("Go, Rust"),), ("Total languages mentioned: 2",)),
            ("with_options", (_write("hello.txt"), _DONE), ("Tools used: Write",)),
            ("bash_command", (_bash("echo 'Hello'"), _DONE), ("Tool Use: Bash", "Tool Result (")),
            ("control_protocol", (_DONE,), ("Server info retrieved", "Interrupt sent")),
        )
    ),
    Example("plugin_example.py", (_DONE,), ("- demo-plugin (path: ", "successfully configured")),
    Example("stderr_callback_example.py", (_DONE,), ("Captured ",)),
    Example("streaming_mode.py basic_streaming", (_DONE,), ("Claude: It is done",), drop_in=True),
    Example(
        "tool_permission_callback.py",
        (_bash("ls"), _write("/srv/hello.py"), _bash("rm -rf x"), _DONE),
        ("Redirecting write from /srv/hello.py", "Denying dangerous command", "It is done"),
        ("Dangerous command pattern detected",),
        made="safe_output/hello.py",
    ),
)


@pytest.fixture(scope="session")
def published(once: Once) -> Path:
    """What the SDK publishes as its source, of the version that is installed."""
    return once("sdk-source", _fetch)


def _fetch(place: Path) -> None:
    wanted = f"claude-agent-sdk=={metadata.version('claude-agent-sdk')}"
    options = ("--quiet", "--no-deps", "--no-binary", ":all:", "--dest", str(place))
    command = [sys.executable, "-m", "pip", "download", *options, wanted]
    done = subprocess.run(command, check=False, timeout=_PATIENCE_SECONDS)
    assert done.returncode == 0, "the SDK's source could not be had: see above"
    (archive,) = place.glob("*.tar.gz")
    with tarfile.open(archive) as opened:
        opened.extractall(place, filter="data")
    (source,) = place.glob("*/")
    for name, text in _OF_THE_REPOSITORY.items():
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        (source / name).write_text(text)


def _cases() -> Iterator[object]:
    for one in _EXAMPLES:
        for way in ("transport", "drop-in") if one.drop_in else ("transport",):
            yield pytest.param(one, way, id=f"{one.words.replace(' ', '-')}-{way}")


@pytest.mark.parametrize(("example", "way"), list(_cases()))
def test_an_example(
    example: Example, way: str, isolated: Launcher, api: MessagesApi, published: Path
) -> None:
    api.reply_with(*example.replies)

    done = _run(example, way, isolated, published)

    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    for text in example.shown:
        assert text in done.stdout, f"{done.stdout}\n{done.stderr}"
    told = str([request["messages"] for request in api.requests])
    assert [text for text in example.told if text not in told] == []
    if example.made:
        assert (isolated.project / example.made).read_text() == "Hello, World!"
    wait_until(lambda: containers_of(isolated.project) == [], "the container goes")


def _run(
    example: Example, way: str, isolated: Launcher, published: Path
) -> subprocess.CompletedProcess[str]:
    isolated.argv()
    path = isolated.environment["PATH"]
    command = [sys.executable]
    if way == "transport":
        command += ["-m", "tests.support.agent_sdk.example"]
    else:
        made = isolated.run("shim", "install", str(isolated.place / "bin"))
        assert made.returncode == 0, made.stderr
        path = f"{isolated.place / 'bin'}{os.pathsep}{path}"
    name, *words = example.words.split()
    (script,) = published.glob(f"*/examples/{name}")
    # Some work in the SDK's own directory, which pins nothing.
    own = {"PATH": path, "PYTHONPATH": str(_ROOT), "PINNACE_CLAUDE_VERSION": VERSION}
    return subprocess.run(
        [*command, script, *words],
        cwd=isolated.project,
        env={**isolated.environment, **own},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=_PATIENCE_SECONDS,
    )
