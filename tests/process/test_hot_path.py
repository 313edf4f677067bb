"""What a launch must not import: everything costs milliseconds, each time."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from tests.process.conftest import Machine

_SLOW: Final = frozenset(
    {
        *("click", "jinja2", "pydantic", "python_on_whales", "packaging", "filelock"),
        *("yaml", "jsonschema", "pinnace.prompts"),
        *("pinnace_builder", "email", "http", "http.client", "asyncio"),
        *("anyio", "pinnace.sdk"),
        # pathlib itself imports urllib.parse until Python 3.12.
        *("urllib.request", "urllib.error", "urllib.response", "ssl", "importlib.metadata"),
    }
    # Elsewhere its rules are worth the import.
    | ({"platformdirs"} if sys.platform == "linux" else set())
)
_IMPORTED: Final = re.compile(rb"^import time: +\d+ \| +\d+ \| +(\S+)$", re.MULTILINE)


def test_a_second_launch_imports_nothing_slow(machine: Machine) -> None:
    first = machine.pinnace("run", "--", "--version")

    second = machine.pinnace("run", "--", "--version", options=("-X", "importtime"))

    assert (first.returncode, second.returncode) == (0, 0)
    imported = {name.decode() for name in _IMPORTED.findall(second.stderr)}
    assert "pinnace.launch.handover" in imported, "the list of imports was not understood"
    assert imported & _SLOW == set()


def test_no_launch_with_a_gateway_loads_openssl() -> None:
    loaded = "import pinnace.gateway.start, pinnace.launch.standby.recent, sys; print(*sys.modules)"
    argv = [sys.executable, "-c", loaded]
    done = subprocess.run(argv, check=True, capture_output=True, text=True)
    assert not set(done.stdout.split()) & {"hashlib", "_hashlib"}


def test_a_second_launch_does_not_ask_git_again(machine: Machine) -> None:
    Path(machine.environment["HOME"], ".gitconfig").write_text("[user]\n\tname = Ada\n")
    machine.environment["PATH"] += f"{os.pathsep}{os.environ['PATH']}"
    machine.pinnace("run")

    second = machine.pinnace("run", options=("-X", "importtime"))

    imported = [name.decode() for name in _IMPORTED.findall(second.stderr)]
    assert "pinnace.plan.contributors.git_config" in imported
    # The container has been started when that is imported.
    before = imported[: imported.index("pinnace.workspace.named")]
    assert not set(before) & {"pinnace.plan.contributors.git", "subprocess", "hashlib"}
    assert "pinnace.plan.contributors.git" not in imported


def test_a_second_launch_starts_one_process_and_asks_little(machine: Machine) -> None:
    machine.pinnace("run")
    processes, questions = len(machine.docker.log("call")), len(machine.engine.requests)

    machine.pinnace("run")

    assert len(machine.docker.log("call")) - processes == 1
    # That container is asked about while it runs: nobody waits for it.
    waited = [one for one in machine.engine.requests[questions:] if b"/containers/" not in one]
    assert len(waited) <= 2
