"""Make the next container in the background: a process of its own, which gives way to all others.

It plans anew: what has changed since the launch that asked for it counts.
"""

from __future__ import annotations

import json
import os
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from pinnace.config import NEVER, SESSION
from pinnace.launch import records
from pinnace.launch.standby import AUTO, enter, recent, wanted
from pinnace.request import RunRequest
from pinnace_core.errors import PinnaceError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pinnace.launch.prepare import Prepared

_NICEST: Final = 19
# Whoever writes no more than that never waits: https://man7.org/linux/man-pages/man7/pipe.7.html
_FITS_INTO_A_PIPE: Final = 64 << 10


def begin(prepared: Prepared) -> None:
    """Start it, if one is wanted and can be made; and do not wait for it.

    Args:
        prepared: the launch that is over now.
    """
    here = prepared.here
    request, environment = here.request, here.facts.environment
    if sys.platform != "linux" or not sys.executable or request.files or enter.reason(prepared):
        return
    settings = here.config.settings
    unasked = settings.reuse == NEVER and settings.standby == AUTO
    if unasked and not recent.again(here.project.source, request):
        return
    flags = dict(request.flags)
    if settings.reuse != SESSION:
        # What waits is of no session; to plan one would hold it.
        flags.pop("run.session", None)
    about = [request.claude_version, flags, request.program, dict(request.variables)]
    _start(json.dumps(about).encode(), environment)


def _start(about: bytes, environment: Mapping[str, str]) -> None:
    """Start it; what it is about may hold values of variables, so it is in no argument."""
    if len(about) > _FITS_INTO_A_PIPE:
        return
    # -P: the working directory is a project; nothing may be imported from there.
    argv = [sys.executable, "-P", "-m", __name__]
    readable, writable = os.pipe()
    try:
        with os.fdopen(writable, "wb") as stream:
            stream.write(about)
        actions = [
            (os.POSIX_SPAWN_DUP2, readable, 0),
            *((os.POSIX_SPAWN_OPEN, fd, os.devnull, os.O_RDWR, 0) for fd in (1, 2)),
        ]
        with suppress(OSError):
            records.bury_later(
                os.posix_spawn(argv[0], argv, environment, file_actions=actions, setsid=True)
            )
    finally:
        os.close(readable)


def main() -> int:
    """Do it without a word: nobody listens."""
    os.nice(_NICEST)
    version, flags, program, variables = json.loads(sys.stdin.buffer.read())
    request = RunRequest(claude_version=version, flags=flags, program=program, variables=variables)
    try:
        return _filled(request)
    except PinnaceError as error:
        return error.exit_code


def _filled(request: RunRequest) -> int:
    from pinnace.launch.prepare import prepared, read
    from pinnace.launch.standby import make
    from pinnace_core.host import HostFacts

    # What is not there is not made for a launch that nobody has asked for yet.
    flags = {**request.flags, "run.provision": False}
    here = read(request._replace(flags=flags), HostFacts.detect())._replace(request=request)
    settings, launch = here.config.settings, prepared(here)
    if settings.reuse != NEVER:
        from pinnace.launch import reuse

        reuse.tidy(launch)
    if settings.reuse != SESSION:
        make.fill(launch, wanted(settings.standby))
    return 0


if __name__ == "__main__":
    sys.exit(main())
