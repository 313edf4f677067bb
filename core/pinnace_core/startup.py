"""What a command sees to before it loads anything else.

Ctrl-C while it still loads: nothing has begun, so it ends without a word. An exception would not
do: it may strike in code that imports, and cannot pass it on.
"""

from __future__ import annotations

import os
import signal
import sys

from pinnace_core.environment import keep_back

_INTERRUPTED = 130
# https://learn.microsoft.com/windows/win32/api/processenv/nf-processenv-needcurrentdirectoryforexepathw
_PATH_ONLY = "NoDefaultCurrentDirectoryInExePath"


def settle() -> None:
    """See to all of it; the process's environment is what it starts programs with."""
    end_quietly()
    take_programs_from_path()
    keep_modules_apart()
    keep_back(os.environ)


def keep_modules_apart() -> None:
    """Import nothing more from PYTHONPATH or the working directory, unless this lies there.

    A project's `src` that stands in it is written to by whoever works in the project.
    """
    own = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))  # noqa: PTH100, PTH120 (every launch)
    named = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    dropped = {"", *named, os.environ.get("PWD"), *map(os.path.abspath, filter(None, named))}
    sys.path[:] = [place for place in sys.path if place == own or place not in dropped]


def take_programs_from_path() -> None:
    """Keep Windows from looking for programs in the working directory first: that is a project's.

    A `docker.exe` or `git.exe` that lies there would be run in place of the real one.
    """
    if sys.platform == "win32":
        os.environ[_PATH_ONLY] = "1"


def leave_out_programs_of(project: str, path: str) -> str:
    """Return a search path without what leads into a project: whoever works there writes that.

    Shells that load a project's environment put its `bin` first. What is relative leads wherever
    somebody stands.

    Args:
        project: its root, real.
        path: as the variable PATH has it.
    """
    kept = []
    for place in path.split(os.pathsep):
        real = os.path.realpath(place) if os.path.isabs(place) else project  # noqa: PTH117 (every launch)
        plain = os.path.normpath(place)
        inside = any(f"{one}{os.sep}".startswith(f"{project}{os.sep}") for one in (real, plain))
        if not inside:
            kept.append(place)
    return os.pathsep.join(kept)


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
