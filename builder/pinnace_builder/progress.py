"""Progress for people, on stderr: a bar on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final, TextIO

import click

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_LINE_EVERY_SECONDS: Final = 5.0
_MIB: Final = 1 << 20


def say(text: str) -> None:
    """Tell the user what is going on."""
    click.echo(f"pinnace-build: {text}", err=True)


@contextmanager
def _bar(label: str, size: int, stream: TextIO) -> Iterator[Callable[[int], None]]:
    with click.progressbar(length=size, label=label, file=stream, width=24) as bar:

        def update(received: int) -> None:
            bar.update(max(0, min(received, size) - bar.pos))

        yield update
        update(size)


@contextmanager
def download(label: str, size: int | None) -> Iterator[Callable[[int], None]]:
    """Show a download.

    Args:
        label: what is downloaded.
        size: expected bytes, if known.

    Yields:
        A function to be called with the bytes received so far.
    """
    stream = sys.stderr
    if size is None or not stream.isatty():
        yield _lines(label, size)
        return
    with _bar(label, size, stream) as update:
        yield update


def _lines(label: str, size: int | None) -> Callable[[int], None]:
    total = f" of {size / _MIB:.0f}" if size else ""
    say(f"{label}{f' ({size / _MIB:.0f} MiB)' if size else ''}")
    last = time.monotonic()

    def update(received: int) -> None:
        nonlocal last
        if time.monotonic() - last >= _LINE_EVERY_SECONDS:
            last = time.monotonic()
            say(f"{label}: {received / _MIB:.0f}{total} MiB")

    return update
