"""What a command sees to before it loads anything else.

Ctrl-C while it still loads: nothing has begun, so it ends without a word. An exception would not
do: it may strike in code that imports, and cannot pass it on.
"""

from __future__ import annotations

import os
import signal
import sys

_INTERRUPTED = 130
# https://learn.microsoft.com/windows/win32/api/processenv/nf-processenv-needcurrentdirectoryforexepathw
_PATH_ONLY = "NoDefaultCurrentDirectoryInExePath"


def take_programs_from_path() -> None:
    """Keep Windows from looking for programs in the working directory first: that is a project's.

    A `docker.exe` or `git.exe` that lies there would be run in place of the real one.
    """
    if sys.platform == "win32":
        os.environ[_PATH_ONLY] = "1"


def end_quietly() -> None:
    """End the process at Ctrl-C, until `listen`; unless it is ignored, as `nohup` has it."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, _end)


def listen() -> None:
    """Make Ctrl-C an exception again."""
    if signal.getsignal(signal.SIGINT) is _end:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def _end(_number: int, _frame: object) -> None:
    os._exit(_INTERRUPTED)
