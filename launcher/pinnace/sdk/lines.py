"""Lines that a thread reads, told to a function of the program's by the loop that it runs in."""

from __future__ import annotations

import codecs
import logging
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Final

from pinnace.sdk.waiting import waker

if TYPE_CHECKING:
    from collections.abc import Callable

_LOG: Final = logging.getLogger("pinnace")
# What never ends is told in pieces.
_LONGEST: Final = 1 << 16


class Lines:
    """Cuts bytes into lines, without their ends, and has each told as soon as it is whole."""

    def __init__(self, told: Callable[[str], object]) -> None:
        """Begin, in the loop that tells.

        Args:
            told: is given each line; what it raises is logged, and the next line is told.
        """
        self._told, self._wake = told, waker()
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._rest = ""

    def take(self, data: bytes) -> None:
        """Take what comes next, from any thread, one at a time; nothing: that was the end."""
        *lines, rest = (self._rest + self._decoder.decode(data, final=not data)).split("\n")
        if rest and (not data or len(rest) > _LONGEST):
            lines, rest = [*lines, rest], ""
        self._rest = rest
        for line in lines:
            # The loop may be gone.
            with suppress(RuntimeError):
                self._wake(partial(self._tell, line.removesuffix("\r")))

    def _tell(self, line: str) -> None:
        try:
            self._told(line)
        except Exception:  # noqa: BLE001 (the program's own)
            _LOG.exception("the function for standard error failed")
