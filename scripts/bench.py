"""Time what people wait for, against the bare engine: medians of runs that take turns.

Absolute times belong to a machine and a moment; the ratios are what is worth comparing.
"""

from __future__ import annotations

import os
import shlex
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_RUNS: Final = int(os.environ.get("BENCH_RUNS", "15"))
_FILES: Final = 100_000
_PER_DIRECTORY: Final = 100
_PINNACE: Final = str(Path(sys.executable).with_name("pinnace"))


@dataclass(frozen=True)
class Row:
    """One comparison.

    Attributes:
        name: what was run.
        seconds: its median.
        against: the name of what it was paired with.
        other_seconds: that one's median.
        ratio: the median of the ratios, pair by pair.
    """

    name: str
    seconds: float
    against: str
    other_seconds: float
    ratio: float


def timed(argv: list[str], directory: Path) -> float:
    """Run a whole process; return its seconds."""
    # Users have compiled modules; with this variable, they are compiled anew each time.
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    # What would be prepared for the next launch slows the one that it is compared with.
    environment["PINNACE_STANDBY"] = "0"
    begin = time.perf_counter()
    subprocess.run(
        argv,
        cwd=directory,
        env=environment,
        check=True,
        capture_output=True,
        stdin=subprocess.DEVNULL,
    )
    return time.perf_counter() - begin


def compare(  # noqa: PLR0913 (both, and what each needs)
    name: str,
    argv: list[str],
    against: str,
    other: list[str],
    directory: Path,
    *,
    before: list[str] | None = None,
    elsewhere: Path | None = None,
) -> Row:
    """Run both in turn, after one run each that is not counted, nor is what is run `before`.

    The other one is run in the same directory, or elsewhere.
    """

    def once() -> tuple[float, float]:
        if before:
            timed(before, directory)
        return timed(argv, directory), timed(other, elsewhere or directory)

    once()
    pairs = [once() for _ in range(_RUNS)]
    return Row(
        name,
        statistics.median(a for a, _ in pairs),
        against,
        statistics.median(b for _, b in pairs),
        statistics.median(a / b for a, b in pairs),
    )


def bare_line(directory: Path) -> list[str]:
    """Return the `docker run` that a launch comes down to, with the engine's own network."""
    dry = [_PINNACE, "run", "--isolation=open", "--dry-run", "--", "--version"]
    line = subprocess.run(dry, cwd=directory, check=True, capture_output=True, text=True).stdout
    return shlex.split(line)


def large_project(launch: list[str], small: Path) -> Row:
    """Compare a launch in a project of many files, of some tools each, with one in a small one."""
    with tempfile.TemporaryDirectory(prefix="pinnace-bench-") as name:
        directory = Path(name)
        (directory / ".claude-version").write_text("2.1.330\n")
        for number in range(_FILES // _PER_DIRECTORY):
            place = directory / f"part{number // _PER_DIRECTORY}" / f"module{number}"
            place.mkdir(parents=True)
            for file in ("package.json", "Makefile", "tsconfig.json"):
                (place / file).write_text('{"scripts": {"test": "true"}}\n')
            for count in range(_PER_DIRECTORY - 3):
                (place / f"source{count}.ts").touch()
        named = f"pinnace run, {_FILES:,} files"
        return compare(named, launch, "the same, one file", launch, directory, elsewhere=small)


def drop_in(directory: Path) -> str:
    """Make a drop-in `claude` in a directory, which is in no project; return its path."""
    argv = [_PINNACE, "shim", "install", "--force", str(directory)]
    made = subprocess.run(argv, check=True, capture_output=True, text=True)
    return made.stdout.strip()


def asked_for_version(directory: Path) -> Row:
    """Compare what clients ask first, and wait two seconds for: `claude --version`."""
    with tempfile.TemporaryDirectory(prefix="pinnace-bench-") as name:
        claude = drop_in(Path(name))
        try:
            python = [sys.executable, "-I", "-c", "pass"]
            argv = [claude, "--version"]
            return compare("claude --version, drop-in", argv, "a bare Python", python, directory)
        finally:
            uninstall = [_PINNACE, "shim", "uninstall", name]
            subprocess.run(uninstall, check=True, capture_output=True)


def main() -> None:
    """Print the table."""
    with tempfile.TemporaryDirectory(prefix="pinnace-bench-") as name:
        directory = Path(name)
        launch = [_PINNACE, "run", "--isolation=open", "--", "--version"]
        (directory / ".claude-version").write_text("2.1.330\n")
        timed(launch, directory)
        # The first one, which is not counted, starts the gateway.
        isolated = [_PINNACE, "run", "--", "--version"]
        engine = ["docker", "version"]
        rows = [
            compare(
                "pinnace run, open",
                launch,
                "the bare docker run line",
                bare_line(directory),
                directory,
            ),
            compare(
                "pinnace run, standard",
                isolated,
                "that docker run line",
                bare_line(directory),
                directory,
            ),
            compare(
                "pinnace run, standby",
                isolated,
                "that docker run line",
                bare_line(directory),
                directory,
                before=[_PINNACE, "warm"],
            ),
            compare("pinnace status", [_PINNACE, "status"], "docker version", engine, directory),
            compare("pinnace --help", [_PINNACE, "--help"], "docker version", engine, directory),
            asked_for_version(directory),
            large_project(launch, directory),
        ]
    print(f"medians of {_RUNS} paired runs, whole processes")
    print(f"{'command':<26}{'ms':>7}  {'against':<26}{'ms':>7}{'ratio':>8}")
    for row in rows:
        print(
            f"{row.name:<26}{row.seconds * 1e3:>7.0f}  "
            f"{row.against:<26}{row.other_seconds * 1e3:>7.0f}{row.ratio:>8.2f}"
        )


if __name__ == "__main__":
    main()
