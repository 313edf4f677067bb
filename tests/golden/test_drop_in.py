"""The drop-in `claude` by system: what is in the program, and what its arguments come to.

On Windows itself nothing of it has run yet: docs/clients.md says so.
"""

from __future__ import annotations

import io
import json
import zipfile
from typing import TYPE_CHECKING, Final

from pinnace.plan import Contribution, plan
from pinnace.plan.contributors import named_files
from pinnace.shim import executable
from pinnace_core.engine.docker import Docker
from tests.support import hosts
from tests.support.engines import ENGINES

if TYPE_CHECKING:
    from collections.abc import Callable

_PYTHON: Final = {
    "linux": "/srv/it's $HOME/venv/bin/python",
    "windows": r"C:\Users\Some Body\venv\Scripts\python.exe",
}
# As the official SDKs and editors name files there.
_GIVEN: Final = (
    *("-p", "--output-format", "stream-json", "--mcp-config", r"C:\Users\me\AppData\mcp.json"),
    *("--settings", '{"model": "haiku"}', r"--add-dir=D:\more", "--plugin-dir", r"..\plugin"),
    *("--system-prompt-file", "~\\prompt.md", "--resume=C:\\Users", "--", r"C:\Users\me"),
)


def test_the_script(golden: Callable[[str, str], None]) -> None:
    made = executable.content("linux", _PYTHON["linux"], flags="-I", provision=True)
    golden("drop-in-linux.sh", made.decode())


def test_the_program_of_windows(golden: Callable[[str, str], None]) -> None:
    made = executable.content("windows", _PYTHON["windows"], flags="-I", provision=False)
    archive = zipfile.ZipFile(io.BytesIO(made))
    (only,) = archive.namelist()
    # As a program behind the launcher of pip's own commands: what runs it, then what it runs.
    begin = made.rindex(b"#!", 0, made.index(b"PK\3\4"))
    line = made[begin : made.index(b"\r\n", begin)].decode()

    assert made.startswith(b"MZ")
    golden("drop-in-windows.txt", f"{line}\n{only}:\n{archive.read(only).decode()}")


def test_its_arguments_on_windows(golden: Callable[[str, str], None]) -> None:
    facts = hosts.windows(environment={"PATH": "C:\\Windows"})
    inputs = hosts.inputs(facts, about=ENGINES["docker-desktop"], claude_arguments=_GIVEN)
    spec = plan(inputs, (named_files.contribute(inputs, [Contribution()]),), image=hosts.IMAGE_ID)

    argv = Docker().argv(spec.spec)
    given = argv[argv.index("/opt/claude/bin/claude") :]
    golden("drop-in-windows-arguments.json", json.dumps(given, indent=1) + "\n")
