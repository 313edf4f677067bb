"""What a container used, from the kernel's files in either version."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pinnace_core import usage
from pinnace_core.usage import Usage

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

_ID = "c0ffee" * 10
_FIRST = {
    f"memory/docker/{_ID}/memory.max_usage_in_bytes": "62914560\n",
    f"memory/docker/{_ID}/memory.oom_control": "oom_kill_disable 0\nunder_oom 0\noom_kill 2\n",
    f"cpuacct/docker/{_ID}/cpuacct.usage": "1234567890\n",
}
_SCOPE = f"system.slice/docker-{_ID}.scope"
_SECOND = {
    f"{_SCOPE}/cpu.stat": "usage_usec 2500000\nuser_usec 1\nsystem_usec 2\n",
    f"{_SCOPE}/memory.peak": "4096\n",
    f"{_SCOPE}/memory.events": "low 0\nhigh 0\nmax 3\noom 1\noom_kill 1\noom_group_kill 0\n",
}


def _process(place: Path, lines: str) -> str:
    (place / "7").mkdir()
    (place / "7" / "cgroup").write_text(lines)
    return str(place)


def _write(place: Path, files: Mapping[str, str]) -> str:
    for name, text in files.items():
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        (place / name).write_text(text)
    return str(place)


@pytest.mark.parametrize(
    ("lines", "files", "expected"),
    [
        (
            f"4:memory:/docker/{_ID}\n3:cpu,cpuacct:/docker/{_ID}\n0::/\n",
            _FIRST,
            Usage(1.235, 62914560, 2),
        ),
        (f"0::/{_SCOPE}\n", _SECOND, Usage(2.5, 4096, 1)),
        # Podman, and an init inside that made groups of its own.
        (f"0::/{_SCOPE}/container/init.scope\n", _SECOND, Usage(2.5, 4096, 1)),
    ],
    ids=["version 1", "version 2", "groups below it"],
)
def test_it_is_read_from_the_containers_own_group(
    tmp_path: Path, lines: str, files: Mapping[str, str], expected: Usage
) -> None:
    proc, root = tmp_path / "proc", tmp_path / "cgroup"
    proc.mkdir()

    found = usage.groups(7, _ID, proc=_process(proc, lines))
    used = usage.read(found, root=_write(root, files))

    assert used == expected


@pytest.mark.parametrize("lines", ["0::/user.slice/session-1.scope\n", "4:memory:/\n0::/\n", ""])
def test_a_group_that_others_are_in_is_not_taken_for_the_containers(
    tmp_path: Path, lines: str
) -> None:
    assert usage.groups(7, _ID, proc=_process(tmp_path, lines)) == {}


def test_what_is_gone_or_not_counted_is_not_known(tmp_path: Path) -> None:
    own = {"": f"/{_SCOPE}"}
    older = {name: text for name, text in _SECOND.items() if "peak" not in name}

    assert usage.groups(7, _ID, proc=str(tmp_path)) == {}
    assert usage.read(own, root=str(tmp_path)).known() == {}
    assert usage.read(own, root=_write(tmp_path, older)).known() == {
        "cpu_seconds": 2.5,
        "oom_kills": 1,
    }


def test_what_is_not_known_any_more_is_as_it_was() -> None:
    earlier = usage.Usage(2.5, 4096, 0)

    assert usage.Usage().over(earlier) == earlier
    assert usage.Usage(cpu_seconds=3.0).over(earlier) == usage.Usage(3.0, 4096, 0)
    assert usage.Usage(oom_kills=0).over(usage.Usage()) == usage.Usage(oom_kills=0)
