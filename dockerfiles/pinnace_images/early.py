"""Ctrl-C while a command still loads: nothing has begun, so it ends without a word.

An exception would not do: it may strike in code that imports, and cannot pass it on.
"""

from __future__ import annotations

import os
import signal

_INTERRUPTED = 130


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
