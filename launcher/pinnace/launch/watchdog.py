"""Wait for the end of a process; then do what is to be done about its launches.

Run as a script, and of the standard library nothing but this: it is there as long as launches are.

    python -I -S watchdog.py PID COMMAND...

Standard input is a pipe from that process. A byte on it: it has no launches any more.
"""

from __future__ import annotations

import contextlib
import os
import select
import sys

_POLL_MILLISECONDS = 500


def main(owner: int, command: list[str]) -> None:
    """Wait, and become the command if the process is gone."""
    poll = select.poll()
    poll.register(0, select.POLLIN)
    every: int | None = _POLL_MILLISECONDS
    # Not on Linux; or it is gone, and then is no more this one's parent.
    with contextlib.suppress(AttributeError, OSError):
        poll.register(os.pidfd_open(owner), select.POLLIN)
        every = None
    while os.getppid() == owner:
        ended = [number for number, _ in poll.poll(every)]
        if 0 in ended:
            if os.read(0, 1):
                return
            # It became another program, or is about to be gone: nothing more comes this way.
            poll.unregister(0)
    os.execv(command[0], command)  # noqa: S606 (no shell)


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2:])
