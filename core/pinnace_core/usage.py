"""What a container used, as the kernel counts it in the container's control group.

The engine takes the group away soon after the container's first process has ended, which all others
do before: whoever waits for that process reads the final figures, if the machine lets him in time.
https://docs.kernel.org/admin-guide/cgroup-v2.html
"""

from __future__ import annotations

import os
from typing import Final

from pinnace_core.tuples import NamedTuple

_ROOT: Final = "/sys/fs/cgroup"
_MOST_BYTES: Final = 1 << 16
_MICRO: Final = 1_000_000
_NANO: Final = 1_000_000_000


class Usage(NamedTuple):
    """What was used; None: that is not known.

    Attributes:
        cpu_seconds: processor time of all processes, those of `exec` among them.
        memory_peak: the most memory at once, in bytes; files that were read or written count, too.
        oom_kills: how many processes were killed because the limit was reached.
    """

    cpu_seconds: float | None = None
    memory_peak: int | None = None
    oom_kills: int | None = None

    def known(self) -> dict[str, float]:
        """Return what is known, by name."""
        return {name: v for name, v in self._asdict().items() if v is not None}

    def over(self, earlier: Usage) -> Usage:
        """Return these figures; where one is not known any more, the earlier one."""
        return earlier._replace(**{n: v for n, v in self._asdict().items() if v is not None})


def groups(process: int, container: str, *, proc: str = "/proc") -> dict[str, str]:
    """Return a container's own groups, by controller; of version 2, by an empty name.

    Args:
        process: one of the container's.
        container: its id, which the group's path has in it; else the group is not its own.
        proc: where processes are seen.
    """
    found: dict[str, str] = {}
    for line in _text(f"{proc}/{process}/cgroup").splitlines():
        _, controllers, path = line.split(":", 2)
        before, there, after = path.partition(container)
        if container and there:
            # The engine may have put further groups below it.
            own = f"{before}{there}{after.partition('/')[0]}"
            found |= dict.fromkeys(controllers.split(","), own)
    return found


def read(found: dict[str, str], *, root: str = _ROOT) -> Usage:
    """Read what was used so far.

    Args:
        found: by `groups`.
        root: where control groups are mounted.
    """
    if "memory" in found or "cpuacct" in found:
        memory = f"{root}/memory{found['memory']}" if "memory" in found else ""
        cpu = f"{root}/cpuacct{found['cpuacct']}" if "cpuacct" in found else ""
        return Usage(
            _seconds(_number(f"{cpu}/cpuacct.usage"), _NANO) if cpu else None,
            _number(f"{memory}/memory.max_usage_in_bytes") if memory else None,
            _field(f"{memory}/memory.oom_control", "oom_kill") if memory else None,
        )
    if "" not in found:
        return Usage()
    own = f"{root}{found['']}"
    return Usage(
        _seconds(_field(f"{own}/cpu.stat", "usage_usec"), _MICRO),
        # Since Linux 5.19.
        _number(f"{own}/memory.peak"),
        _field(f"{own}/memory.events", "oom_kill"),
    )


def _seconds(count: int | None, unit: int) -> float | None:
    return None if count is None else round(count / unit, 3)


def _number(path: str) -> int | None:
    text = _text(path).strip()
    return int(text) if text.isdecimal() else None


def _field(path: str, name: str) -> int | None:
    fields = dict(line.partition(" ")[::2] for line in _text(path).splitlines())
    value = fields.get(name, "")
    return int(value) if value.isdecimal() else None


def _text(path: str) -> str:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return ""
    try:
        return os.read(descriptor, _MOST_BYTES).decode(errors="replace")
    except OSError:
        # The group goes just now.
        return ""
    finally:
        os.close(descriptor)
