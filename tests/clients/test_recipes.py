"""docs/recipes.md, with the real engine and CLI: services that others start, and Claude uses."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import textwrap
from typing import TYPE_CHECKING, Final

import pytest
import yaml

from tests.docs.markdown import ROOT, blocks
from tests.support.messages_api import MessagesApi, Text, ToolUse

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.engine.conftest import Launcher, Once

PAGE: Final = ROOT / "docs" / "recipes.md"


def _service() -> tuple[str, str]:
    """Return port outside and inside of the compose file's one service."""
    (block,) = [b for b in blocks("text") if b.page == PAGE and b.lines[0] == "services:"]
    (port,) = yaml.safe_load("\n".join(block.lines))["services"]["web"]["ports"]
    address, outside, inside = port.split(":")
    assert address == "127.0.0.1"
    return outside, inside


@pytest.fixture
def web(image: str) -> Iterator[str]:
    """Start the page's service as compose does, of an image that is here; the port outside."""
    _, inside = _service()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        outside = str(free.getsockname()[1])
    line = ["docker", "run", "--rm", "--detach", f"--publish=127.0.0.1:{outside}:{inside}"]
    serve = ["--entrypoint=python3", image, "-m", "http.server", inside, "--directory=/etc"]
    done = subprocess.run([*line, *serve], check=True, stdout=subprocess.PIPE, text=True)
    try:
        yield outside
    finally:
        subprocess.run(["docker", "rm", "--force", done.stdout.strip()], check=True)


def _reach(port: str) -> ToolUse:
    # A port that was just published may not be answered yet.
    retry = "--retry 5 --retry-all-errors --retry-delay 1"
    return ToolUse("Bash", {"command": f"curl -sS {retry} http://localhost:{port}/hostname > out"})


def test_a_service_of_compose_is_reached_at_the_port_that_is_named(
    isolated: Launcher, api: MessagesApi, web: str
) -> None:
    shown = [line for b in blocks("sh") if b.page == PAGE for line in b.lines]
    assert any(line.startswith(f"pinnace run --service {_service()[0]} -- -p ") for line in shown)
    api.reply_with(_reach(web), Text("looked"))

    tools = ("--allowedTools", "Bash")
    done = isolated.run("run", "--service", web, "--", "-p", "look", *tools)

    assert done.returncode == 0, done.stderr
    assert (isolated.project / "out").read_text()


_GIVEN: Final = """
import json, os, sys
from pathlib import Path
import anyio
from pinnace import Pinnace as Real

def Pinnace(**given):
    return Real(env=json.loads(os.environ["OWN"]), **{**given, "project": os.environ["PROJECT"]})
"""
_IMAGE: Final = 'DockerContainer("registry.example/web:1")'


def _program(image: str) -> str:
    """The page's own program, with an image that is here."""
    (block,) = [b for b in blocks("python") if b.page == PAGE and "testcontainers" in str(b.lines)]
    text = "\n".join(block.lines)
    assert _IMAGE in text
    serve = '.with_command(["-m", "http.server", "8000", "--directory=/etc"])'
    text = text.replace(_IMAGE, f'DockerContainer("{image}", entrypoint=["python3"]){serve}')
    text = text.replace("    box = ", "    Path('port').write_text(str(port))\n    box = ")
    text += "\n    print(port, result.text)"
    return f"{_GIVEN}\nasync def main():\n{textwrap.indent(text, '    ')}\n\nanyio.run(main)\n"


@pytest.fixture(scope="session")
def testcontainers(once: Once) -> Path:
    return once("testcontainers", _install)


def _install(place: Path) -> None:
    line = [sys.executable, "-m", "pip", "install", "--quiet", "--target", str(place)]
    subprocess.run([*line, "testcontainers>=4.10,<5"], check=True, timeout=300)


def test_a_container_of_testcontainers_is_a_service_for_the_box(
    isolated: Launcher, api: MessagesApi, testcontainers: Path, image: str
) -> None:
    program = isolated.place / "program.py"
    program.write_text(_program(image))
    isolated.argv()
    kept = ("ANTHROPIC_", "CLAUDE_CODE_")
    own = {n: v for n, v in isolated.environment.items() if n.startswith(kept)}
    api.reply_with(_reach("$(cat port)"), Text("healthy"))

    done = subprocess.run(
        [sys.executable, str(program)],
        cwd=isolated.project,
        env={
            **isolated.environment,
            "OWN": json.dumps(own),
            "PROJECT": str(isolated.project),
            "PYTHONPATH": str(testcontainers),
            "TESTCONTAINERS_RYUK_DISABLED": "true",
        },
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )

    assert done.returncode == 0, done.stderr
    port, _, text = done.stdout.strip().rpartition("\n")[2].partition(" ")
    assert text == "healthy"
    assert f"http://localhost:{port} healthy?" in json.dumps(api.requests[0]["messages"])
    assert (isolated.project / "out").read_text()
