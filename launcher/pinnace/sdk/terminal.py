"""Claude at the user's own terminal, started by a program that waits for it.

The same launch as `pinnace run` there, but held by the program: it ends as any other of its calls
does. What was typed and shown belongs to the user; the program gets the exit code.
"""

from __future__ import annotations

import json
import os
import sys
from contextlib import contextmanager, suppress
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from pinnace.launch.handover import in_foreground
from pinnace.launch.running import GRACE_SECONDS, HURRIED, Running
from pinnace.sdk.options import Call, compiled
from pinnace.sdk.process import prepare, require_platform
from pinnace.sdk.waiting import through, until
from pinnace_core.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from pinnace.request import RunRequest
    from pinnace_core.host import HostFacts

# They need somebody to answer, or to read what is no text for people.
_FOR_PROGRAMS: Final = ("can_use_tool", "hooks", "partial_messages")
# What an argument may hold on Linux, with its NUL.
_MOST_OF_AN_ARGUMENT: Final = (128 << 10) - 1
_RELEASE_SECONDS: Final = 60.0
_SYSTEM: Final = {
    "systemPrompt": ("system.md", "--system-prompt-file"),
    "appendSystemPrompt": ("append-system.md", "--append-system-prompt-file"),
}


def of_options(options: Mapping[str, Any], prompt: str, place: str) -> Call:
    """Return what checked options come to where a user sits in front of it.

    Args:
        options: as `options.checked` returns them.
        prompt: with which it begins; empty: none.
        place: where the launch's files are, inside.

    Raises:
        UsageError: one is for programs only; or the prompt is too long for an argument.
    """
    given = [name for name in _FOR_PROGRAMS if name in options]
    call = compiled(options, place, streamed=False)
    if given or call.in_process:
        what = ", ".join((*given, *call.in_process))
        raise UsageError(
            f"{what}: nobody could answer at a terminal", hint="leave it out, or use: claude()"
        )
    words, files = list(call.arguments), dict(call.files)
    for wire, (file, flag) in _SYSTEM.items():
        if wire in call.initialize:
            files[file] = call.initialize[wire]
            words.append(f"{flag}={place}/{file}")
    if "agents" in call.initialize:
        words.append(f"--agents={json.dumps(call.initialize['agents'])}")
    if prompt:
        words += ("--", prompt)
    if any(len(os.fsencode(word)) > _MOST_OF_AN_ARGUMENT for word in words):
        raise UsageError(
            "this is too long for a start at a terminal", hint="let Claude read it from a file"
        )
    return Call(tuple(words), files, {})


def require_terminal() -> None:
    """See that there is a terminal, and that it is this program's.

    Raises:
        UsageError: there is none, or another program has it.
        PlatformUnsupportedError: this is Windows.
    """
    require_platform()
    if not (os.isatty(0) and os.isatty(1)):
        raise UsageError(
            "this program has no terminal, which Claude would need",
            hint="start it at one; or use claude() or stream(), which need none",
        )
    if not in_foreground():
        raise UsageError(
            "this program runs in the background of its terminal, which Claude would need",
            hint="bring it to the foreground: fg",
        )


async def run(request: RunRequest, facts: HostFacts) -> int:
    """Launch; return the exit code, 128+n for the end by a signal.

    Whatever cancels this ends the container, with two seconds for Claude to leave.

    Raises:
        PinnaceError: any of its kinds, before anything was started.
    """
    here = facts._replace(stdin_tty=True, stdout_tty=True)
    with _terminal_kept():
        running = Running(partial(prepare, request, here), _told, at_terminal=True)
        try:
            await until(running.started)
            return await until(running.exited)
        finally:
            running.end(HURRIED)
            try:
                await through(running.over, seconds=GRACE_SECONDS + _RELEASE_SECONDS)
            finally:
                running.stream.close()


def _told(note: str) -> None:
    """Say it as `pinnace run` does: the user sits there."""
    sys.stderr.write(f"pinnace: {note}\n")
    sys.stderr.flush()


@contextmanager
def _terminal_kept() -> Iterator[None]:
    """Leave the terminal as it was, also where the engine's client was killed."""
    if sys.platform == "win32":
        yield
        return
    import termios

    before = termios.tcgetattr(0)
    try:
        yield
    finally:
        with suppress(termios.error):
            termios.tcsetattr(0, termios.TCSADRAIN, before)
