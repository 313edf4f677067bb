"""A real browser without a window; `scripts/engine browser` installs one where there is none."""

from __future__ import annotations

import os
import signal
import subprocess
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

_SCRIPT: Final = Path(__file__).parents[2] / "scripts" / "engine"
_OPTIONS: Final = (
    *("--headless", "--no-first-run", "--disable-gpu", "--disable-background-networking"),
    # It refuses to be root with its own sandbox; what it opens is the tests' own.
    *("--no-sandbox", "--disable-dev-shm-usage"),
    # Without, it ends as soon as the page is there.
    "--remote-debugging-port=0",
)


def install() -> str:
    """Install it, or find it installed; return its path."""
    done = subprocess.run([_SCRIPT, "browser"], check=True, stdout=subprocess.PIPE, text=True)
    return done.stdout.strip()


@contextmanager
def opened(browser: str, url: str, *, profile: Path) -> Iterator[None]:
    """Open a page; close it in the end.

    Args:
        browser: path of the program.
        url: of the page.
        profile: a directory of its own.
    """
    child = subprocess.Popen(
        [browser, *_OPTIONS, f"--user-data-dir={profile}", url],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        # Its own processes are ended with it.
        start_new_session=True,
    )
    try:
        yield
    finally:
        os.killpg(child.pid, signal.SIGKILL)
        child.wait()
