"""A command in the foreground of a terminal of its own, whose bytes are read as they come."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import select
import struct
import subprocess
import termios
import time
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

_PATIENCE_SECONDS: Final = 120.0
# So wide that no line is broken.
_SIZE: Final = struct.pack("HHHH", 40, 2000, 0, 0)


class AtTerminal:
    """The command.

    Attributes:
        child: its process.
        said: what it wrote until now.
    """

    def __init__(self, argv: Sequence[str], cwd: Path, environment: Mapping[str, str]) -> None:
        self._ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, _SIZE)
        self.said = ""
        self.child = subprocess.Popen(
            argv,
            cwd=cwd,
            env=environment,
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(theirs, termios.TIOCSCTTY, 0),  # noqa: PLW1509
        )
        os.close(theirs)

    def type(self, text: str) -> None:
        """Type it."""
        os.write(self._ours, text.encode())

    def wait_for(self, text: str) -> str:
        """Read until this was written; return all."""
        while text not in self.said:
            assert self._read(), f"{text!r} never came: {self.said[-2000:]}"
        return self.said

    def wait(self) -> int:
        """Read to the end; return the exit code."""
        while self._read():
            pass
        return self.child.wait(_PATIENCE_SECONDS)

    def end(self) -> None:
        """End it, if it is there still."""
        self.child.kill()
        self.child.wait()
        os.close(self._ours)

    def _read(self) -> bool:
        """Read what comes next; tell whether anything may come after it."""
        deadline = time.monotonic() + _PATIENCE_SECONDS
        ready, _, _ = select.select([self._ours], [], [], deadline - time.monotonic())
        data = b""
        # The kernel's way to say that nobody has the other side any more.
        with contextlib.suppress(OSError):
            data = os.read(self._ours, 1 << 16) if ready else b""
        self.said += data.decode(errors="replace")
        return bool(data)


@contextlib.contextmanager
def at_terminal(
    argv: Sequence[str], cwd: Path, environment: Mapping[str, str]
) -> Iterator[AtTerminal]:
    """Run a command there."""
    made = AtTerminal(argv, cwd, environment)
    try:
        yield made
    finally:
        made.end()
