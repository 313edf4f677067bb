"""Time the first event of a streamed call against the bare `docker run` pipe: pairs, medians.

Both ask the same of the same stand-in API, at the same level of isolation (`open`): what differs is
who starts the container, and who reads. What is promised is 1.10 at most. Then, behind a gateway, a
call that takes a container that waits (`box.warm`) against one that starts its own; and one that
takes a Claude that was started (`started=True`), which is promised to take half as long at most.
"""

from __future__ import annotations

import json
import os
import shlex
import statistics
import subprocess
import tempfile
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import anyio

from pinnace import Pinnace
from tests.engine.conftest import launching
from tests.support.messages_api import MessagesApi, Text

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.engine.conftest import Launcher

_RUNS: Final = int(os.environ.get("BENCH_RUNS", "15"))
_PROMISED: Final = 1.10
_PROMISED_WARM: Final = 0.5
_PAUSE_SECONDS: Final = 2.0
_PROMPT: Final = "hi"


async def streamed(box: Pinnace) -> float:
    """Return the seconds from the call to its first event."""
    taken = 0.0
    begin = time.perf_counter()
    async with box.stream(_PROMPT) as stream:
        async for _ in stream:
            taken = time.perf_counter() - begin
            break
        await stream.result()
    return taken


def piped(argv: list[str], environment: Mapping[str, str]) -> float:
    """Return the seconds from the start of the engine's client to the first line."""
    message = {"type": "user", "message": {"role": "user", "content": _PROMPT}}
    begin = time.perf_counter()
    with subprocess.Popen(
        argv, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as child:
        assert child.stdin  # noqa: S101 (a pipe)
        assert child.stdout  # noqa: S101 (a pipe)
        child.stdin.write(json.dumps(message).encode() + b"\n")
        child.stdin.flush()
        child.stdout.readline()
        taken = time.perf_counter() - begin
        child.stdin.close()
        child.stdout.read()
    return taken


async def pairs(box: Pinnace, environment: Mapping[str, str]) -> list[tuple[float, float]]:
    """Run both in turn, after one run each that is not counted."""
    await streamed(box)
    found = []
    for number in range(_RUNS + 1):
        # A name of its own for each: the line is that of a dry run.
        line = shlex.split((await box.dry_run()).command)
        bare = await anyio.to_thread.run_sync(piped, line, environment)
        found += [(await streamed(box), bare)] if number else []
    return found


async def warm_pairs(box: Pinnace, *, started: bool) -> list[tuple[float, float]]:
    """Time a call with what waits, and one without, in turn."""
    found = []
    for number in range(_RUNS + 1):
        async with box.warm(started=started):
            # As between calls of a program: what was just begun has come up.
            await anyio.sleep(_PAUSE_SECONDS)
            warm = await streamed(box)
        cold = await streamed(box)
        found += [(warm, cold)] if number else []
    return found


def _said(
    what: str, found: list[tuple[float, float]], against: str, promised: float | None = None
) -> str:
    ours, other = (statistics.median(one) for one in zip(*found, strict=True))
    ratio = statistics.median(a / b for a, b in found)
    limit = "" if promised is None else f" ({promised:.2f} promised)"
    return f"{what} {ours * 1e3:.0f} ms, {against} {other * 1e3:.0f} ms: {ratio:.2f}{limit}"


def _box(launcher: Launcher, isolation: str, **urls: str) -> Pinnace:
    own = {"HOME": launcher.environment["HOME"]}
    for name in ("XDG_STATE_HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "PWD"):
        os.environ.pop(name, None)
    os.environ.update(own)
    env = {n: v for n, v in launcher.environment.items() if n.startswith(("ANTHROPIC_", "CLAUDE_"))}
    settings = {"run.standby": "0"}
    return Pinnace(launcher.project, isolation=isolation, env={**env, **urls}, settings=settings)


def main() -> None:
    """Print the line."""
    reply: Any = [Text("Hello from the stand-in")]
    with (
        tempfile.TemporaryDirectory(prefix="pinnace-bench-") as place,
        MessagesApi(reply, host="0.0.0.0") as api,  # noqa: S104 (containers reach it)
    ):
        Path(place).chmod(0o755)
        with launching(Path(place), api.url_for("host.docker.internal")) as launcher:
            launcher.argv()
            box = _box(launcher, "open")
            found = anyio.run(pairs, box, launcher.environment)
            behind = _box(launcher, "standard", ANTHROPIC_BASE_URL=api.url_for("127.0.0.1"))
            warm = anyio.run(partial(warm_pairs, behind, started=False))
            begun = anyio.run(partial(warm_pairs, behind, started=True))
    print(f"first event of a streamed call, medians of {_RUNS} pairs")
    print(_said("box.stream", found, "the bare docker run pipe", _PROMISED))
    print(_said("in box.warm", warm, "without"))
    print(_said("in box.warm(started=True)", begun, "without", _PROMISED_WARM))


if __name__ == "__main__":
    main()
