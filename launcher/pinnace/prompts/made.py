"""A prompt is made in a process of its own; here it is asked, and waited for."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from typing import TYPE_CHECKING, Any, Final

from pinnace.prompts.decoded import decoded
from pinnace_core.errors import (
    BadPromptError,
    CannotReadError,
    PinnaceError,
    UnsafeRequestError,
)
from pinnace_core.files import open_untrusted

if TYPE_CHECKING:
    from pathlib import Path

MOST_BYTES: Final = 16 << 20
_SECONDS: Final = 60
# Modules come from where ours come from, and from nowhere else; nothing is taken from variables.
_START: Final = (
    "import json, sys; sys.path[:] = json.loads(sys.argv[1]); "
    "from pinnace.prompts.child import main; main()"
)
_ERRORS: Final = {kind.__name__: kind for kind in (BadPromptError, UnsafeRequestError)}
_TOO_MUCH: Final = "what a prompt includes, repeats and counts has to end: shorten it"
# Windows starts no program without it.
_NEEDED: Final = ("SYSTEMROOT",)


def make(order: dict[str, Any]) -> dict[str, Any]:
    """Return what `compose.Composed` holds, by name.

    Args:
        order: what `compose.Order` holds, by name.

    Raises:
        BadPromptError: the prompt, or its data, is not what it should be, or takes too much.
        UnsafeRequestError: the prompt would weaken the isolation.
    """
    name = order["name"]
    try:
        question = json.dumps({"sources": (), **order})
    except (TypeError, ValueError, RecursionError) as error:
        raise BadPromptError(
            f"{name}: the data is no JSON: {error}",
            hint="give texts, numbers, lists and mappings of such",
        ) from None
    argv = [sys.executable, "-I", "-S", "-c", _START, json.dumps([p for p in sys.path if p])]
    environment = {key: os.environ[key] for key in _NEEDED if key in os.environ}
    try:
        done = subprocess.run(
            argv, input=question.encode(), capture_output=True, env=environment,
            timeout=_SECONDS, check=False,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        raise BadPromptError(f"{name}: it takes too long", hint=_TOO_MUCH) from None
    if done.returncode < 0:
        raise BadPromptError(f"{name}: it takes too long, or too much memory", hint=_TOO_MUCH)
    return _answer(name, done)


def _answer(name: str, done: subprocess.CompletedProcess[bytes]) -> dict[str, Any]:
    if done.returncode != 0:
        if b"MemoryError" in done.stderr:
            raise BadPromptError(f"{name}: it takes too much memory", hint=_TOO_MUCH)
        raise PinnaceError(f"{name}: could not be made: {done.stderr.decode(errors='replace')}")
    answer: dict[str, Any] = json.loads(done.stdout)
    kind = answer.get("error")
    if kind in _ERRORS:
        raise _ERRORS[kind](answer["message"], hint=answer["hint"])
    if kind:
        raise BadPromptError(f"{name}: it takes too much memory", hint=_TOO_MUCH)
    return answer


def read(path: Path, what: str) -> str:
    """Return the text of a file that was named; who put it there may be somebody else.

    Args:
        path: of it. A link is followed, if what it leads to lies below its own directory: another
            one would send along whatever it leads to.
        what: it should be, for errors.

    Raises:
        CannotReadError: there is none.
        UnsafeRequestError: it is a link that leads elsewhere.
        BadPromptError: it is no plain file, too large, or no text.
    """
    try:
        real = path.resolve(strict=True)
        if not real.is_relative_to(path.parent.resolve()):
            hint = f"name that file itself, if you mean it: '{real}'"
            raise UnsafeRequestError(f"'{path}' is a link that leads elsewhere", hint=hint)
        with open_untrusted(real) as stream:
            plain = stat.S_ISREG(os.fstat(stream.fileno()).st_mode)
            data = stream.read(MOST_BYTES + 1) if plain else b""
    except (OSError, RuntimeError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise CannotReadError(f"cannot read '{path}': {reason}", hint=f"name {what}") from None
    if not plain or len(data) > MOST_BYTES:
        size = f"larger than {MOST_BYTES >> 20} MiB" if plain else "no plain file"
        raise BadPromptError(f"'{path}' is {size}", hint=f"name {what}")
    return decoded(data, str(path))
