"""`pinnace-build publish` as somebody runs it, who may interrupt it."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest

from tests.support import hasty
from tests.support.builder_command import write_images
from tests.support.made_up_cli import MadeUp
from tests.support.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Mapping

_PATIENCE_SECONDS: Final = 120.0


@dataclass
class Run:
    """The command at work; what it says goes into files."""

    argv: list[str]
    environment: Mapping[str, str]
    place: Path
    process: subprocess.Popen[bytes] = field(init=False)

    def __post_init__(self) -> None:
        self.place.mkdir(parents=True)
        with (self.place / "out").open("wb") as out, (self.place / "err").open("wb") as err:
            self.process = subprocess.Popen(
                self.argv,
                env=dict(self.environment),
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                start_new_session=True,
            )

    @property
    def said(self) -> str:
        """What it has said so far."""
        return (self.place / "err").read_text(encoding="utf-8", errors="replace")

    @property
    def ended(self) -> bool:
        return self.process.poll() is not None

    def wait_for(self, text: str) -> None:
        """Wait until it says so."""
        wait_until(lambda: text in self.said or self.ended, f"'{text}'")
        assert text in self.said, self.said

    def interrupt(self, number: int) -> None:
        """Do as a terminal does with Ctrl-C, or as a CI service does that ends a job."""
        if self.ended:
            return
        if number == signal.SIGINT:
            os.killpg(self.process.pid, number)
        else:
            self.process.send_signal(number)

    def wait(self, seconds: float = _PATIENCE_SECONDS) -> subprocess.CompletedProcess[str]:
        """Wait for its end."""
        try:
            code = self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            pytest.fail(f"it did not end within {seconds} s: {self.said}")
        stdout = (self.place / "out").read_text(encoding="utf-8")
        return subprocess.CompletedProcess(self.argv, code, stdout, self.said)

    def kill(self) -> None:
        """Make sure of its end."""
        if not self.ended:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()


@dataclass
class Publisher:
    """Publishes one platform into one repository, from a machine that shares only the engine."""

    place: Path
    repository: str
    environment: dict[str, str]
    runs: list[Run] = field(default_factory=list)

    @classmethod
    def at(cls, place: Path, repository: str, *versions: str) -> Publisher:
        """Set up a machine, with made-up CLIs of these versions locked and cached."""
        directories = {
            "HOME": place / "home",
            "TMPDIR": place / "tmp",
            "XDG_CACHE_HOME": place / "cache",
            "XDG_DATA_HOME": place / "data",
            "XDG_STATE_HOME": place / "state",
        }
        for directory in directories.values():
            directory.mkdir(parents=True)
        write_images(place / "images.toml")
        MadeUp(place / "cache", place / "data").add(*versions)
        usual = {k: v for k, v in os.environ.items() if not k.startswith("PINNACE_")}
        return cls(place, repository, usual | {k: str(v) for k, v in directories.items()})

    @property
    def images(self) -> Path:
        """The declaration that it goes by."""
        return self.place / "images.toml"

    @property
    def cache(self) -> Path:
        """Where packages and locks of processes are."""
        return Path(self.environment["XDG_CACHE_HOME"], "pinnace")

    @property
    def temporary(self) -> Path:
        return Path(self.environment["TMPDIR"])

    def start(self, *arguments: str, cache: str = "none") -> Run:
        """Start the command; of options that are given twice, the last counts."""
        argv = [
            *(sys.executable, hasty.__file__, "publish"),
            *(f"--repository={self.repository}", f"--images={self.images}"),
            *(f"--cache={cache}", "--no-channels", "--platform=linux/amd64"),
            *arguments,
        ]
        run = Run(argv, self.environment, self.place / "runs" / str(len(self.runs)))
        self.runs.append(run)
        return run

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run it to its end, however it ends."""
        return self.start(*arguments).wait()

    def complete(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run it to a good end."""
        done = self.run(*arguments)
        assert done.returncode == 0, done.stderr
        return done

    def tags_of(self, version: str) -> dict[str, str]:
        """Tell the immutable tags that a version is going to have: to `build`, and to `join`."""
        steps = json.loads(self.complete("--dry-run", "--json", version).stdout)["result"]
        return {step["action"]: step["tag"] for step in steps if version in step["tag"]}

    def wrap_docker(self, *cases: str) -> None:
        """Put a docker client first on PATH that does something else in some cases.

        Each is one of a shell's `case`, and goes by the first two arguments. `$DOCKER` is the
        real client.
        """
        real, branches = shutil.which("docker"), "\n".join(cases)
        self._put(
            "docker",
            f'DOCKER="{real}"\ncase "$1 $2" in\n{branches}\nesac\nexec "$DOCKER" "$@"\n',
        )

    def hang_npm(self) -> Path:
        """Put an npm first on PATH that never ends; return the file that it makes when called."""
        called = self.place / "npm was called"
        self._put("npm", f": > '{called}'\nexec sleep 600\n")
        return called

    def _put(self, name: str, script: str) -> None:
        directory = self.place / "bin"
        directory.mkdir(exist_ok=True)
        (directory / name).write_text(f"#!/bin/bash\n{script}", encoding="utf-8")
        (directory / name).chmod(0o755)
        self.environment["PATH"] = f"{directory}{os.pathsep}{self.environment['PATH']}"
