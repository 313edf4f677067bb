"""What launches take, alone and many at once, and what it costs that the next one is prepared.

Three tables: the memory of each part of a launch; 1, 8 and 32 launches at once; and the time of a
computation in a running launch while a container is made for the next one, against without: pairs,
medians. What is promised of the latter is 1.05 at most.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

from pinnace.launch.standby import PREFIX, refill
from pinnace_images import contract
from tests.engine.conftest import docker, launching
from tests.support.messages_api import MessagesApi, Text
from tests.support.refilling import settled

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.engine.conftest import Launcher

_RUNS: Final = int(os.environ.get("BENCH_RUNS", "15"))
_AT_ONCE: Final = (1, 8, 32)
_PROMISED: Final = 1.05
_MIB: Final = 1 << 20
# Of some seconds. As many at once as there are processors, so that who prepares takes time from
# them, if anybody does.
_WORK: Final = (
    "for _ in $(seq $(nproc)); do (for ((i = 0; i < 2000000; i++)); do :; done) & done; wait; "
    "echo done\n"
)
# Of the same plan as the launches here: no version, no options.
_LIKE_LAUNCHES: Final = json.dumps([None, {}, contract.CLAUDE_BINARY])


def resident(pid: int) -> int:
    """Return the bytes of a process: shared pages are divided by who shares them."""
    text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    return 1024 * next(int(line.split()[1]) for line in text.splitlines() if line[:4] == "Pss:")


def of_containers(*filters: str) -> int:
    """Return the bytes of the running containers that fit, as their control groups say."""
    ids = docker("ps", "-q", "--no-trunc", *(f"--filter={one}" for one in filters)).split()
    return sum(map(_of_container, ids))


def _of_container(container: str) -> int:
    unit = "--format={{.MemUsage}}"
    said = docker("stats", "--no-stream", unit, container).partition(" / ")[0]
    number = said.rstrip("KMGiB")
    return int(float(number) * {"B": 1, "KiB": 1 << 10, "MiB": _MIB}.get(said[len(number) :], 0))


@contextmanager
def shells(launcher: Launcher, count: int) -> Iterator[list[subprocess.Popen[str]]]:
    """Have so many launches run, started at once; each has said that it runs."""
    argv = [*launcher.program, "run", "--", "--input-format=stream-json", "-p"]
    argv += ["--output-format=stream-json", "--verbose"]
    message = {"type": "user", "message": {"role": "user", "content": "hi"}}
    children: list[subprocess.Popen[str]] = []
    try:
        for _ in range(count):
            child = subprocess.Popen(
                argv,
                cwd=launcher.project,
                env=launcher.environment,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                text=True,
            )
            children.append(child)
            assert child.stdin  # noqa: S101 (a pipe)
            child.stdin.write(json.dumps(message) + "\n")
            child.stdin.flush()
        for child in children:
            assert child.stdout  # noqa: S101 (a pipe)
            while '"result"' not in (line := child.stdout.readline()):
                assert line, "it has ended"  # noqa: S101 (nothing to measure)
        yield children
    finally:
        for child in children:
            child.communicate()


def clients_of(child: subprocess.Popen[str]) -> list[int]:
    """Return the processes that a launcher has started, and that run."""
    text = Path(f"/proc/{child.pid}/task/{child.pid}/children").read_text()
    return [int(pid) for pid in text.split()]


def parts(launcher: Launcher) -> Iterator[str]:
    """Yield the memory of each part of a launch."""
    launcher.run("warm")
    mine = f"label={contract.LABEL_RUN_WORKSPACE}={launcher.project}"
    waiting = of_containers(f"name={PREFIX}", mine)
    launcher.run("warm", "--drop")
    with shells(launcher, 1) as (child,):
        rows = {
            "launcher": resident(child.pid),
            "engine's client": sum(map(resident, clients_of(child))),
            "gateway": of_containers(f"label={contract.LABEL_RUN_GATEWAY}={launcher.project}"),
            "container with Claude": of_containers(mine),
            "container that waits": waiting,
        }
    for name, size in rows.items():
        yield f"{name:<26}{size / _MIB:>7.1f} MiB"


def at_once(launcher: Launcher, count: int) -> str:
    """Return a row of how long so many launches take to answer, and what they hold together."""
    begin = time.perf_counter()
    with shells(launcher, count) as children:
        taken = time.perf_counter() - begin
        pids = [pid for child in children for pid in (child.pid, *clients_of(child))]
        outside = sum(map(resident, pids))
        inside = of_containers(f"label={contract.LABEL_RUN_WORKSPACE}={launcher.project}")
    return f"{count:<26}{taken:>7.2f}{outside / _MIB:>15.0f}{inside / _MIB:>15.0f}"


def slowed(launcher: Launcher) -> list[tuple[float, float]]:
    """Time a computation in a launch, while the next one is prepared, and without: pairs."""
    child = launcher.start("shell", stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert child.stdin  # noqa: S101 (a pipe)
    assert child.stdout  # noqa: S101 (a pipe)

    def worked() -> float:
        begin = time.perf_counter()
        child.stdin.write(_WORK)  # type: ignore[union-attr]
        child.stdin.flush()  # type: ignore[union-attr]
        child.stdout.readline()  # type: ignore[union-attr]
        return time.perf_counter() - begin

    def once() -> tuple[float, float]:
        alone = worked()
        argv = [sys.executable, "-P", "-m", refill.__name__, _LIKE_LAUNCHES]
        environment = {**launcher.environment, "PINNACE_STANDBY": "1"}
        with subprocess.Popen(argv, cwd=launcher.project, env=environment):
            beside = worked()
        launcher.run("warm", "--drop")
        return beside, alone

    try:
        once()
        return [once() for _ in range(_RUNS)]
    finally:
        child.communicate()


def main() -> None:
    """Print the tables."""
    with (
        tempfile.TemporaryDirectory(prefix="pinnace-bench-") as place,
        MessagesApi([Text("Hello")], host="127.0.0.1") as api,
    ):
        Path(place).chmod(0o755)
        with launching(Path(place), api.url_for("127.0.0.1")) as launcher:
            launcher.environment.pop("PYTHONDONTWRITEBYTECODE", None)
            launcher.environment |= {"PINNACE_ISOLATION": "standard", "PINNACE_STANDBY": "0"}
            launcher.run("run", "--", "--version")
            print("memory of a launch; what processes share is divided among them")
            print("\n".join(parts(launcher)))
            print(f"{'launches at once':<26}{'s':>7}{'outside, MiB':>15}{'inside, MiB':>15}")
            for count in _AT_ONCE:
                print(at_once(launcher, count))
            found = slowed(launcher)
            settled(launcher.environment["HOME"])
    beside, alone = (statistics.median(one) for one in zip(*found, strict=True))
    ratio = statistics.median(a / b for a, b in found)
    print(f"a computation in a launch, medians of {_RUNS} pairs")
    print(
        f"while the next one is prepared {beside * 1e3:.0f} ms, without {alone * 1e3:.0f} ms: "
        f"{ratio:.2f} ({_PROMISED:.2f} promised)"
    )


if __name__ == "__main__":
    main()
