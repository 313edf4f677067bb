"""The examples of ChannelCoder's README (3.0.2), translated: each gives what it promises there.

With the real engine and CLI; docs/migrating-from-channelcoder.md has the calls side by side.
"""

from __future__ import annotations

import json
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import anyio
import pytest

from pinnace import (
    AssistantEvent,
    MaxTurnsError,
    Pinnace,
    PinnaceError,
    Prompt,
    ResultEvent,
    TimedOutError,
    UserEvent,
    sync,
)
from tests.support.messages_api import Text, ToolUse

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from tests.engine.conftest import Launcher
    from tests.support.messages_api import MessagesApi

_ANALYZE = """\
---
syntax: braces
input:
  task: string
  details?: boolean
systemPrompt: "You are a helpful analyst"
allowedTools:
  - Read
  - Grep
---
# Analysis for {task}

{details ? "Provide detailed breakdown." : "Summary only."}
"""
_ALL_KEYS = """\
---
syntax: braces
systemPrompt: "./system-prompts/analyst.md"
appendSystemPrompt: "Always explain your reasoning"
allowedTools:
  - "Read"
  - "Bash(git:*)"
disallowedTools:
  - "Bash(rm:*)"
permissionPromptTool: "mcp__auth__prompt"
input:
  name: string
  age?: number
  tags: string[]
  config:
    port: number
    host?: string
output:
  success: boolean
  result:
    type: string
    enum: [feature, bug, chore]
  items:
    - name: string
      done: boolean
---
Your prompt for {name}. Age: {age ? age : "not specified"}. Tags: {tags}. Code: {return {}; }
"""


@dataclass
class Answer:
    success: bool
    message: str


@pytest.fixture
def box(at_home: Launcher) -> Pinnace:
    return Pinnace(at_home.project, env=_own(at_home))


def _own(launcher: Launcher) -> dict[str, str]:
    kept = ("ANTHROPIC_", "CLAUDE_CODE_")
    return {n: v for n, v in launcher.environment.items() if n.startswith(kept)}


def _asked(api: MessagesApi) -> str:
    return json.dumps(api.requests[-1]["messages"])


def _run(main: Callable[[], Awaitable[Any]]) -> None:
    anyio.run(main)


def test_quick_start(box: Pinnace, isolated: Launcher, api: MessagesApi) -> None:
    # `claude('What is TypeScript?')`
    assert sync.claude("What is TypeScript?", box=box).text == "Hello from the stand-in"
    assert "What is TypeScript?" in _asked(api)
    # `` claude`Explain ${language} in simple terms` ``
    language = "TypeScript {{ 7 * 7 }}"
    sync.claude(Prompt.text("Explain {{ x }} in simple terms", {"x": language}), box=box)
    assert "Explain TypeScript {{ 7 * 7 }} in simple terms" in _asked(api)
    # `claude('prompts/analyze.md', { data: { ... } })`
    place = isolated.project / "prompts" / "analyze.md"
    place.parent.mkdir()
    place.write_text(_ANALYZE)
    data = {"task": "Review PR", "details": True}
    sync.claude(Prompt.file(place, data), box=box)
    assert "# Analysis for Review PR\\n\\nProvide detailed breakdown." in _asked(api)
    assert "You are a helpful analyst" in json.dumps(api.requests[-1]["system"])
    # `claude('Review this code', { tools: ['Read', 'Grep'], system: 'You are a code reviewer' })`
    api.reply_with(ToolUse("Read", {"file_path": str(place)}), Text("read"))
    options: Any = {"tools": ["Read", "Grep"], "system": "You are a code reviewer"}
    assert sync.claude("Review this code", box=box, **options).text == "read"
    assert "You are a code reviewer" in json.dumps(api.requests[-1]["system"])
    assert "Analysis for" in _asked(api)


def test_quick_start_of_its_command(isolated: Launcher, api: MessagesApi) -> None:
    # `channelcoder run "Explain TypeScript"`
    assert isolated.run("-p", "Explain TypeScript").stdout == "Hello from the stand-in\n"
    # `channelcoder analyze.md -d task="Review PR" -d details=true`
    (isolated.project / "analyze.md").write_text(_ANALYZE)
    values = ("--data", "task=Review PR", "--data", "details=true")
    done = isolated.run("run", "--prompt", "analyze.md", *values, "-p", "--max-turns", "3")
    assert done.returncode == 0, done.stderr
    assert "Provide detailed breakdown." in _asked(api)
    # `channelcoder stream "Write a story"`
    streamed = ("--output-format", "stream-json", "--verbose")
    done = isolated.run("run", "--", "-p", "Write a story", *streamed)
    assert [json.loads(line)["type"] for line in done.stdout.splitlines()][-1] == "result"
    # `channelcoder session list, load my-session, remove old-session`
    assert isolated.run("run", "--session", "my-session", "--", "-p", "begin").returncode == 0
    done = isolated.run("session", "resume", "my-session", "-p", "and go on")
    assert (done.returncode, "begin" in _asked(api)) == (0, True), done.stderr
    rows = json.loads(isolated.run("session", "list", "--json").stdout)["result"]
    assert "my-session" in {row["name"] for row in rows}
    assert isolated.run("session", "rm", "my-session").returncode == 0


def test_variables(box: Pinnace, api: MessagesApi) -> None:
    # `claude('Analyze {code} for {issues}', { data: { code, issues } })`
    data = {"code": "const x = null", "issues": ["null safety", "type errors"]}
    prompt = Prompt.text("Analyze {code} for {issues}: {return {}; }", data, syntax="braces")
    sync.claude(prompt, box=box)
    said = 'Analyze const x = null for [\n  "null safety",\n  "type errors"\n]'
    assert json.dumps(said)[1:-1] in _asked(api)
    # Code keeps its braces.
    assert "{return {}; }" in _asked(api)


def test_modes(box: Pinnace, api: MessagesApi) -> None:
    api.reply_with(ToolUse("Bash", {"command": "echo made"}), Text("the end"))
    seen: list[object] = []

    # `for await (const chunk of stream('Write documentation')) ...`
    async def main() -> None:
        async with box.stream("Write documentation", tools=["Bash"]) as stream:
            seen.extend([event async for event in stream])

    _run(main)

    said = [e for e in seen if isinstance(e, AssistantEvent | UserEvent)]
    # Nested blocks are there: the call of the tool, and what it answered.
    assert [type(e).__name__ for e in said] == ["AssistantEvent", "UserEvent", "AssistantEvent"]
    assert "echo made" in str(said[0].raw)
    assert "made" in str(said[1].raw)
    (result,) = [e for e in seen if isinstance(e, ResultEvent)]
    assert (result.result, bool(result.session_id)) == ("the end", True)


@pytest.mark.usefixtures("box")
def test_a_worktree(isolated: Launcher, api: MessagesApi) -> None:
    named = ("-c", "user.name=n", "-c", "user.email=n@example.com")
    for line in (
        ("init", "-q"),
        (*named, "commit", "-q", "--allow-empty", "-m", "one"),
        ("worktree", "add", "-q", "-b", "feature/auth", "../auth"),
    ):
        subprocess.run(["git", *line], check=True, cwd=isolated.project)
    tree = isolated.project.parent / "auth"
    (tree / ".claude-version").write_text((isolated.project / ".claude-version").read_text())
    api.reply_with(ToolUse("Bash", {"command": "git branch --show-current > here.txt"}), Text("."))

    # `claude('Implement new feature', { worktree: 'feature/auth' })`
    sync.claude("Implement", box=Pinnace(tree, env=_own(isolated)), tools=["Bash"])

    assert (tree / "here.txt").read_text() == "feature/auth\n"
    assert not (isolated.project / "here.txt").exists()


@pytest.mark.usefixtures("box")
def test_docker_mode(isolated: Launcher, api: MessagesApi) -> None:
    # `docker: { mounts: ['./data:/data:ro'], env: { NODE_ENV: 'production' } }`
    data = isolated.place / "data"
    data.mkdir()
    (data / "x").write_text("from outside")
    more = Pinnace(
        isolated.project,
        env={**_own(isolated), "NODE_ENV": "production"},
        mounts=[f"{data}:/data:ro"],
    )
    line = 'cat /data/x > out.txt; echo "$NODE_ENV" >> out.txt; touch /data/y || echo no >> out.txt'
    api.reply_with(ToolUse("Bash", {"command": line}), Text("."))

    sync.claude("Process data", box=more, tools=["Bash"])

    assert (isolated.project / "out.txt").read_text() == "from outside" + "production\nno\n"


def test_front_matter(isolated: Launcher) -> None:
    place = isolated.project / "all.md"
    place.write_text(_ALL_KEYS)
    system = isolated.project / "system-prompts" / "analyst.md"
    system.parent.mkdir()
    system.write_text("You are an analyst")
    data = {"name": "N", "tags": ["a", "b"], "config": {"port": 1}}

    prompt = Prompt.file(place, data)

    assert " ".join(prompt.text.split()) == (
        'Your prompt for N. Age: not specified. Tags: [ "a", "b" ]. Code: {return {}; }'
    )
    assert prompt.options == {
        "system": "You are an analyst",
        "append_system": "Always explain your reasoning",
        "tools": ["Read", "Bash(git:*)"],
        "disallowed_tools": ["Bash(rm:*)"],
        "permission_prompt_tool": "mcp__auth__prompt",
    }
    assert prompt.output is not None
    assert prompt.output["properties"]["result"]["enum"] == ["feature", "bug", "chore"]
    # FrontmatterSchema.safeParse({ ..., temperature: 0.7 }): an unknown key is an error
    place.write_text(_ALL_KEYS.replace("syntax:", "temperature: 0.7\nsyntax:"))
    with pytest.raises(PinnaceError, match=r"all\.md:2:1: there is no 'temperature'"):
        Prompt.file(place, data)


def test_output_is_enforced(box: Pinnace, api: MessagesApi) -> None:
    good: dict[str, object] = {"success": True, "message": "all is well"}
    api.reply_with(ToolUse("StructuredOutput", good), Text("done"))
    assert sync.claude("Is it?", box=box, output=Answer).data == Answer(**good)  # type: ignore[arg-type]


def test_errors(box: Pinnace, api: MessagesApi) -> None:
    # result.warnings?.includes('max turns reached')
    api.reply_with(*[ToolUse("Bash", {"command": "true"})] * 5)
    with pytest.raises(MaxTurnsError) as turns:
        sync.claude("Go on", box=box, max_turns=1, tools=["Bash"])
    assert turns.value.result.exit_code != 0
    # `timeout: 60000; a run that was ended is no success`
    api.reply_with(ToolUse("Bash", {"command": "tail -f /dev/null"}), Text("."))
    with pytest.raises(TimedOutError):
        sync.claude("Sleep", box=box, timeout=8, tools=["Bash"])


def test_sessions(box: Pinnace, isolated: Launcher, api: MessagesApi) -> None:
    (isolated.project / "continue.md").write_text(
        "---\nsession: {required: true}\n---\nContinue investigating the error we discussed."
    )
    going_on = Prompt.file(isolated.project / "continue.md")

    async def main() -> None:
        # `const s = session({ autoSave: true }); s.save('learning-typescript')`
        session = box.session("learning-typescript")
        first = await session.claude("What is TypeScript?")
        await session.claude("Show me an example")
        assert "What is TypeScript?" in _asked(api)
        # `session.load('learning-typescript')`
        saved = box.session("learning-typescript")
        async with saved.stream("What about generics?") as stream:
            assert (await stream.result()).session_id == first.session_id
        assert "Show me an example" in _asked(api)
        # `s.messages(), s.id()`
        assert [m.role for m in await saved.messages()] == ["user", "assistant"] * 3
        # session: { required: true } in a prompt's front matter
        with pytest.raises(PinnaceError, match="goes on in a session"):
            await box.claude(going_on)
        await saved.claude(going_on)
        assert "the error we discussed" in _asked(api)
        # `claude('...', { resume: 'session-id-here' }), { continue: true }`
        assert (await box.claude("Continue", resume=first.session_id)).text
        assert "What is TypeScript?" in _asked(api)
        assert (await box.claude("Continue", continue_=True)).session_id == first.session_id

    _run(main)
    # `session.list()`
    rows = json.loads(isolated.run("session", "list", "--json").stdout)["result"]
    assert [row["name"] for row in rows] == ["learning-typescript"]
