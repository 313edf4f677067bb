"""Begin a launch in another way, and tell of it as `pinnace` itself does.

    python -P begin.py WAY run|shell ARGUMENTS...

A shell is Claude's in no list and in no detached launch: it is held there as Claude is, by the
keeper, and by what programs hold.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final, NoReturn

import anyio
from anyio.from_thread import BlockingPortal

from pinnace.agent.arguments import read
from pinnace.launch import detached
from pinnace.request import RunRequest, parse
from pinnace.sdk.process import launched
from pinnace_core.errors import PinnaceError
from pinnace_core.host import HostFacts
from pinnace_images import contract

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pinnace.sdk.process import Process

_PINNACE: Final = (sys.executable, "-m", "pinnace")
_FOLLOWING: Final = ("logs", "--follow", "--raw")
_SHELL: Final = RunRequest(program=contract.SHELL)


def main(way: str, verb: str, *rest: str) -> int:
    """Do what `pinnace VERB REST...` does, begun in a way."""
    if verb == "shell" and _runs():
        # A shell joins what runs.
        _become(verb)
    return _BEGUN[way](verb, rest)


def _become(*arguments: str) -> NoReturn:
    os.execv(sys.executable, [*_PINNACE, *arguments])  # noqa: S606 (this interpreter)


def _runs() -> bool:
    done = subprocess.run([*_PINNACE, "ps", "--json"], check=False, capture_output=True, text=True)
    return done.returncode == 0 and bool(json.loads(done.stdout)["result"])


def _standby(verb: str, rest: tuple[str, ...]) -> NoReturn:
    """Have a container wait for what is launched, where one can; else it starts as always."""
    cut = rest.index("--") if "--" in rest else len(rest)
    command = [*_PINNACE, "warm", "1", *rest[:cut]]
    subprocess.run(command, check=False, capture_output=True, stdin=subprocess.DEVNULL)
    _become(verb, *rest)


def _detached(verb: str, rest: tuple[str, ...]) -> int:
    if verb == "shell":
        # As in print mode: there is no terminal to attach to.
        request = _SHELL._replace(claude_arguments=("-p",))
        name = detached.start(request, HostFacts.detect().cwd, 0)
        return _followed(name, *_FOLLOWING)
    asked = parse(rest)
    has_form = any(word.option == "--output-format" for word in read(asked.claude_arguments))
    form = () if asked.prompt or has_form else ("--output-format", "text")
    command = [*_PINNACE, "run", "--detach", *form, *rest]
    begun = subprocess.run(command, check=False, stdout=subprocess.PIPE, text=True)
    if begun.returncode != 0:
        return begun.returncode
    # Of a prompt file, events are printed, and the answer is asked for.
    asking = ("result",) if asked.prompt else _FOLLOWING
    return _followed(begun.stdout.strip(), *asking)


def _followed(name: str, *verb: str) -> int:
    waiting = [*_PINNACE, "wait", name]
    asking = [*_PINNACE, *verb, name]
    if verb[0] == "result":
        subprocess.run(waiting, check=False, stdin=subprocess.DEVNULL)
    subprocess.run(asking, check=False, stdin=subprocess.DEVNULL)
    return subprocess.run(waiting, check=False, stdin=subprocess.DEVNULL).returncode


def _parallel(verb: str, rest: tuple[str, ...]) -> int:
    if verb == "shell":
        return anyio.run(_held)
    prompt, options = _divided(rest)
    command = [*_PINNACE, "parallel", "-", "--", *options]
    line = json.dumps({"prompt": prompt})
    done = subprocess.run(command, check=False, input=line, stdout=subprocess.PIPE, text=True)
    return _told(json.loads(done.stdout)) if done.stdout else done.returncode


def _divided(rest: Sequence[str]) -> tuple[str, list[str]]:
    """Return a launch's prompt, and all that is said besides."""
    words = list(read(parse(rest).claude_arguments))
    said = [word.words[0] for word in words if not word.option]
    options = list(rest)
    for text in said:
        del options[_last(options, text)]
    prompt = "\n".join(filter(None, (sys.stdin.read(), *said)))
    return prompt, [word for word in options if word not in {"-p", "--print"}]


def _last(words: Sequence[str], word: str) -> int:
    return len(words) - 1 - list(reversed(words)).index(word)


def _told(row: dict[str, Any]) -> int:
    """Print a row of results as a launch tells of itself; return its exit code."""
    if row.get("text"):
        sys.stdout.write(f"{row['text']}\n")
    error = row["error"] or {}
    if error:
        sys.stderr.write(f"pinnace: error: {error['message']}\npinnace: hint: {error['hint']}\n")
    code = row.get("exit_code")
    return int(error.get("exit_code", 0) if code is None else code)


async def _held() -> int:
    """Run a shell as a list's launches are run: held by a program."""

    def tell(line: str) -> None:
        sys.stderr.write(f"{line}\n")

    facts = HostFacts.detect()
    async with launched(_SHELL, facts, stderr=tell) as process, BlockingPortal() as portal:
        threading.Thread(target=_pass_on, args=(portal, process), daemon=True).start()
        async for chunk in process.stdout:
            sys.stdout.buffer.write(chunk)
            sys.stdout.flush()
        code = await process.wait()
    for note in process.notes:
        sys.stderr.write(f"pinnace: {note}\n")
    return code


def _pass_on(portal: BlockingPortal, process: Process) -> None:
    # When it has ended, nobody takes anything any more.
    with suppress(RuntimeError, anyio.BrokenResourceError, anyio.ClosedResourceError):
        while data := os.read(0, 1 << 16):
            portal.call(process.send, data)
        portal.call(process.close_stdin)


_BEGUN: Final = {"standby": _standby, "detached": _detached, "parallel": _parallel}


if __name__ == "__main__":
    try:
        sys.exit(main(*sys.argv[1:]))
    except PinnaceError as failed:
        sys.stderr.write(f"pinnace: error: {failed.message}\npinnace: hint: {failed.hint}\n")
        sys.exit(failed.exit_code)
