"""A program that uses the official SDK, in a process of its own: it runs scenarios one by one."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Self

_ROOT: Final = Path(__file__).parents[3]
# What takes longer than a scenario has time for is stuck.
_PATIENCE_SECONDS: Final = 180
_TAIL: Final = 4000


class Program:
    """Started when it is first needed, and again after one that died.

    Attributes:
        projects: each scenario works in a directory below.
    """

    def __init__(
        self, projects: Path, environment: Mapping[str, str], *, cli: str = "", modules: str = ""
    ) -> None:
        """Start nothing yet.

        Args:
            projects: a directory with a pin.
            environment: of the process.
            cli: a `claude`; empty: Pinnace's transport.
            modules: a directory with another version of the SDK.
        """
        self.projects = projects
        path = ":".join(filter(None, (modules, str(_ROOT))))
        self._environment = {**environment, "PYTHONPATH": path}
        self._cli = ("--cli", cli) if cli else ()
        self._child: subprocess.Popen[str] | None = None
        self._errors = projects.parent / "program.err"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        if self._child is not None:
            # At the end of its input it ends.
            self._child.communicate(timeout=_PATIENCE_SECONDS)

    def run(self, name: str, backend: str) -> str:
        """Run a scenario; return what went wrong; empty: nothing."""
        child = self._living()
        assert child.stdin
        assert child.stdout
        stuck = threading.Timer(_PATIENCE_SECONDS, child.kill)
        stuck.start()
        try:
            child.stdin.write(f"{name} {backend}\n")
            child.stdin.flush()
            answer = child.stdout.readline()
        finally:
            stuck.cancel()
        said = self._errors.read_text()[-_TAIL:]
        if not answer:
            return f"the program ended with {child.wait()}: {said}"
        problem = str(json.loads(answer))
        return f"{problem}\n{said}" if problem else ""

    def _living(self) -> subprocess.Popen[str]:
        if self._child is None or self._child.poll() is not None:
            with self._errors.open("w") as errors:
                self._child = subprocess.Popen(
                    [sys.executable, "-m", "tests.support.agent_sdk", self.projects, *self._cli],
                    cwd=self.projects.parent,
                    env=self._environment,
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=errors,
                    text=True,
                )
        return self._child
