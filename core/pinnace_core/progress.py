"""Progress for people, on stderr: a bar on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

import click

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_LINE_EVERY_SECONDS: Final = 5.0
_MIB: Final = 1 << 20


def say(text: str) -> None:
    """Tell the user what is going on."""
    click.echo(f"pinnace-build: {text}", err=True)


@contextmanager
def download(label: str, size: int | None) -> Iterator[Callable[[int], None]]:
    """Show a download.

    Args:
        label: what is downloaded.
        size: expected bytes, if known.

    Yields:
        A function to be called with the bytes received so far.
    """
    if not sys.stderr.isatty():
        yield _lines(label, size)
    elif size is None:
        yield _counter(label)
        click.echo(err=True)
    else:
        with click.progressbar(length=size, label=label, file=sys.stderr, width=24) as bar:
            yield lambda received: bar.update(max(0, min(received, size) - bar.pos))
            bar.update(size - bar.pos)


def _counter(label: str) -> Callable[[int], None]:
    """The size is not known before the first download: count on one line."""

    def update(received: int) -> None:
        click.echo(f"\rpinnace-build: {label}: {received / _MIB:.0f} MiB", err=True, nl=False)

    update(0)
    return update


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
