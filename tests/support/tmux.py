"""A terminal of its own for what is interactive, read and typed at as a person would."""

from __future__ import annotations

import shlex
import subprocess
import time
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

_PATIENCE_SECONDS = 60.0


class Terminal:
    """A tmux session on a server of its own; use it as a context manager."""

    def __init__(self, socket: Path, argv: Sequence[str], *, cwd: Path) -> None:
        self._tmux = ["tmux", "-f", "/dev/null", "-S", str(socket)]
        self._argv = list(argv)
        self._cwd = cwd

    def start(self, environment: Mapping[str, str]) -> Self:
        """Run the command; its exit code is shown when it ends."""
        # Trapped, not ignored: a Ctrl-C is for the command, and the shell lives to report.
        line = f"trap : INT; {shlex.join(self._argv)}; echo exit=$?; sleep 1000"
        size = ["-x", "120", "-y", "40"]
        command = [*self._tmux, "new-session", "-d", *size, "-c", str(self._cwd), line]
        subprocess.run(command, check=True, env=dict(environment))
        return self

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        subprocess.run([*self._tmux, "kill-server"], check=False, capture_output=True)

    def type(self, *keys: str) -> None:
        """Send keys as tmux names them."""
        subprocess.run([*self._tmux, "send-keys", *keys], check=True)

    def resize(self, columns: int, rows: int) -> None:
        """Change the terminal's size."""
        size = ["-x", str(columns), "-y", str(rows)]
        subprocess.run([*self._tmux, "resize-window", *size], check=True)

    def screen(self) -> str:
        """Return what is on the screen."""
        command = [*self._tmux, "capture-pane", "-p"]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout

    def wait_for(self, text: str) -> str:
        """Wait until `text` is on the screen.

        Raises:
            AssertionError: it does not come.
        """
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while time.monotonic() < deadline:
            screen = self.screen()
            if text in screen:
                return screen
            time.sleep(0.1)
        raise AssertionError(f"{text!r} never came:\n{self.screen()}")
