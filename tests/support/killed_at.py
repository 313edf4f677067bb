"""`pinnace` that kills itself: `python killed_at.py STEP ARGUMENTS...`.

It dies before its step of that number that changes something: a file that is opened to be written,
renamed, linked or removed, a directory, a process that is started.
"""

from __future__ import annotations

import os
import runpy
import signal
import sys
from typing import Final

_CHANGING: Final = os.O_WRONLY | os.O_RDWR | os.O_CREAT
_STEPS: Final = frozenset(
    {
        *("os.rename", "os.remove", "os.link", "os.symlink", "os.mkdir", "os.rmdir", "os.truncate"),
        *("os.posix_spawn", "subprocess.Popen", "fcntl.flock"),
    }
)


def main(step: int, arguments: list[str]) -> None:
    """Be the command, as far as that step."""
    taken = 0

    def hook(event: str, about: tuple[object, ...]) -> None:
        nonlocal taken
        flags = about[2] if event == "open" else 0
        if event in _STEPS or (isinstance(flags, int) and flags & _CHANGING):
            taken += 1
            if taken == step:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(hook)
    sys.argv = ["pinnace", *arguments]
    runpy.run_module("pinnace", run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2:])
