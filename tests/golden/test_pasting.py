"""Lines of `--dry-run`, by shell."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import pytest

from pinnace_core.container import ContainerSpec, Mount
from pinnace_core.engine.docker import Docker
from pinnace_core.quoting import line
from tests.support import hosts

if TYPE_CHECKING:
    from collections.abc import Callable

_OWN: Final = r"C:\Users\somebody\Documents"
_HOSTS: Final = {
    "sh": hosts.linux(),
    "cmd": hosts.windows(),
    "powershell": hosts.windows(environment={"PSModulePath": rf"{_OWN}\WindowsPowerShell\Modules"}),
    "pwsh": hosts.windows(environment={"PSModulePath": rf"{_OWN}\PowerShell\Modules"}),
}
_PLAN: Final = ContainerSpec(
    image=hosts.IMAGE_ID,
    command=("claude", "-p", 'say "hi" to $HOME & %USERNAME%', "it's", "", "ü", "a\\"),
    name="pinnace-demo-c0ffee",
    workdir="/c/src/a b,c",
    mounts=(Mount("C:\\src\\a b,c", "/c/src/a b,c"), Mount("\\\\nas\\x'y", "/nas/x'y")),
    environment_names=("ANTHROPIC_API_KEY",),
    memory="8g",
    pids=4096,
)


@pytest.mark.parametrize("shell", _HOSTS)
def test_a_line_can_be_pasted(shell: str, golden: Callable[[str, str], None]) -> None:
    golden(f"paste-{shell}.txt", line(Docker().argv(_PLAN), _HOSTS[shell]) + "\n")
