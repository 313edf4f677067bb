"""Time the gateway: what goes through it against the same without it, in turn; medians.

(a) a large transfer by egress, against one on the network that the gateway is on itself;
(b) the first event of a streamed answer, against one from the API itself;
(c) a launch that starts a gateway, against the next one;
(d) the gateway's memory after all that.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

from pinnace_images import contract
from tests.engine.conftest import VERSION, docker, end_keepers, launching
from tests.support import outside
from tests.support.messages_api import MessagesApi, Text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.engine.conftest import Launcher
    from tests.support.outside import Outside

_RUNS: Final = int(os.environ.get("BENCH_RUNS", "5"))
_EVENTS: Final = 40
_BYTES: Final = 1 << 30
_IMAGE: Final = contract.local_name(VERSION, contract.DEFAULT_VARIANT)
_BODY: Final = {
    "model": "claude-opus-4-5",
    "max_tokens": 64,
    "stream": True,
    "tools": [{"name": "Bash", "input_schema": {"type": "object"}}],
    "messages": [{"role": "user", "content": "hi"}],
}


def bare(script: str, *options: str) -> list[float]:
    """Run a script in a container with a network; return the numbers that it prints."""
    command = ("docker", "run", "--rm", "--entrypoint=", *options, _IMAGE, "bash", "-c", script)
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    return [float(line) for line in done.stdout.split()]


def isolated(launcher: Launcher, script: str) -> list[float]:
    """Likewise in a launch."""
    done = launcher.run("shell", text=script)
    if done.returncode != 0:
        raise SystemExit(done.stderr)
    return [float(line) for line in done.stdout.split()]


def transfers(launcher: Launcher, world: Outside) -> tuple[float, float]:
    """Return the seconds of a transfer through the gateway and of one past it."""
    url = f"https://{outside.LISTED}/{_BYTES}"
    script = f"curl -sS -o /dev/null -w '%{{time_total}}\\n' {url}"
    trusted = f"--volume={world.authority}:/authority.pem:ro"
    options = (f"--network={world.network}", trusted, "--env=CURL_CA_BUNDLE=/authority.pem")
    pairs = [(isolated(launcher, script)[0], bare(script, *options)[0]) for _ in range(_RUNS)]
    through, past = zip(*pairs, strict=True)
    return statistics.median(through), statistics.median(past)


def events(launcher: Launcher, api: MessagesApi) -> tuple[float, float]:
    """Return the seconds until an answer begins, through the gateway and past it."""

    def script(url: str) -> str:
        ask = (
            f"curl -sS -o /dev/null -w '%{{time_starttransfer}}\\n' -H 'x-api-key: x' "
            f"-H 'content-type: application/json' -d '{json.dumps(_BODY)}' {url}/v1/messages"
        )
        return f"for i in {{1..{_EVENTS}}}; do {ask}; done"

    options = ("--add-host=host.docker.internal:host-gateway",)
    through, past = [], []
    for _ in range(_RUNS):
        through += isolated(launcher, script("http://127.0.0.1:28080"))
        past += bare(script(api.url_for("host.docker.internal")), *options)
    return statistics.median(through), statistics.median(past)


def starts(launcher: Launcher) -> tuple[float, float]:
    """Return the seconds of a launch that starts a gateway, and of one that finds it."""
    pairs = []
    for _ in range(_RUNS):
        end_keepers(launcher.place)
        pairs.append((_timed(launcher), _timed(launcher)))
    first, second = zip(*pairs, strict=True)
    return statistics.median(first), statistics.median(second)


def _timed(launcher: Launcher) -> float:
    begin = time.perf_counter()
    done = launcher.run("run", "--", "--version")
    if done.returncode != 0:
        raise SystemExit(done.stderr)
    return time.perf_counter() - begin


def memory(launcher: Launcher) -> str:
    """Return what the gateway takes, as the engine tells it."""
    label = f"--filter=label={contract.LABEL_RUN_GATEWAY}={launcher.project}"
    (gateway,) = docker("ps", "-q", label).split()
    return docker("stats", "--no-stream", "--format={{.MemUsage}}", gateway).partition(" ")[0]


@contextmanager
def _connected(api: MessagesApi, world: Outside) -> Iterator[Launcher]:
    """Give `pinnace` in a project of its own; its gateway is on the network of the world."""
    with tempfile.TemporaryDirectory(prefix="pinnace-bench-") as place:
        Path(place).chmod(0o755)
        with launching(Path(place), api.url_for("127.0.0.1")) as launcher:
            launcher.environment.pop("PYTHONDONTWRITEBYTECODE", None)
            launcher.environment |= {
                "PINNACE_ISOLATION": "standard",
                "PINNACE_GATEWAY_NETWORK": world.network,
                "PINNACE_CERTIFICATES": str(world.authority),
                "PINNACE_ALLOW": outside.LISTED,
            }
            # What is known of the image, and compiled modules.
            _timed(launcher)
            yield launcher


def _measure(api: MessagesApi, world: Outside) -> Iterator[str]:
    with _connected(api, world) as launcher:
        first, second = starts(launcher)
        through, past = transfers(launcher, world)
        begins, begins_past = events(launcher, api)
        yield f"1 GiB by egress      {through:6.2f} s, past it {past:6.2f} s: {past / through:.2f}"
        yield (
            f"first event          {begins * 1e3:6.1f} ms, past it {begins_past * 1e3:6.1f} ms: "
            f"{(begins - begins_past) * 1e3:+.1f} ms"
        )
        yield f"first start          {first:6.2f} s, found {second:6.2f} s: {first - second:+.2f} s"
        yield f"memory               {memory(launcher)}"


def main() -> None:
    """Print the lines."""
    with (
        tempfile.TemporaryDirectory(prefix="pinnace-bench-") as place,
        MessagesApi([Text("Hello from the stand-in")], host="0.0.0.0") as api,  # noqa: S104
    ):
        Path(place).chmod(0o755)
        print(f"the gateway, medians of {_RUNS} runs in turn")
        for world in outside.outside(Path(place) / "certificate", _IMAGE):
            for line in _measure(api, world):
                print(line)


if __name__ == "__main__":
    main()
