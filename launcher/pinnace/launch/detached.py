"""Start a launch that nobody waits for: its keeper is a process of its own, see `keeper`."""

from __future__ import annotations

import json
import os
import select
import shutil
import subprocess
import sys
import tempfile
from contextlib import ExitStack, suppress
from typing import IO, TYPE_CHECKING, Any, Final

from pinnace.agent import background
from pinnace.agent.arguments import prints_only, read
from pinnace.launch import jobs
from pinnace.request import PromptRequest, RunRequest
from pinnace_core import console
from pinnace_core.errors import (
    LaunchEndedError,
    PinnaceError,
    PlatformUnsupportedError,
    UsageError,
)
from pinnace_core.files import make_directory

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pinnace_core.host import HostFacts

_NOTHING: Final = subprocess.DEVNULL
# Python complains of a child that is thrown away while it runs.
_keepers: list[subprocess.Popen[bytes]] = []
_STANDARD_ERROR: Final = 2
# Events can be followed while they come, and the last one has the answer and what it cost.
_FOLLOWED: Final = ("--output-format", "stream-json", "--verbose")
# As Claude: where nobody writes, none of it is meant.
_PATIENCE_SECONDS: Final = 3


def run(request: RunRequest, facts: HostFacts, program: str = "pinnace") -> int:
    """Start one, and print its name, once it runs; return the exit code.

    Args:
        request: what is asked for; that Claude works in the background is carried out as this.
        facts: the host.
        program: that the user called.

    Raises:
        PinnaceError: any of its kinds; nothing runs then.
    """
    if request.dry_run or request.timing:
        raise UsageError("--dry-run and --timing are for what is not detached", hint="--detach")
    _open_standard_streams()
    if background.begins(request.claude_arguments):
        return _in_background(request, facts, program)
    given_form = {word.option for word in read(request.claude_arguments)}
    if request.prompt and "--output-format" in given_form:
        raise UsageError(
            "a prompt file that is detached prints events", hint="leave out --output-format"
        )
    wanted = request._replace(claude_arguments=followed(request.claude_arguments))
    with ExitStack() as stack:
        given = stack.enter_context(_piped()) if _takes_input(request, facts) else _NOTHING
        name = start(wanted, facts.cwd, given)
    print(name)  # noqa: T201 (no click on this path)
    console.stderr(f"pinnace: {_what_now(wanted, name)}")
    return 0


def _in_background(request: RunRequest, facts: HostFacts, program: str) -> int:
    _require_platform()
    is_silent = facts.stdin_tty or prints_only(request.claude_arguments)
    given = "" if is_silent else _said()
    arguments = background.in_foreground(request.claude_arguments, given)
    name = start(request._replace(claude_arguments=arguments), facts.cwd, _NOTHING)
    print(background.told(name, program))  # noqa: T201 (no click on this path)
    return 0


def _said() -> str:
    """Return what is piped in, to its end, if somebody begins to write."""
    if sys.stdin is None or not select.select([sys.stdin], [], [], _PATIENCE_SECONDS)[0]:
        return ""
    return sys.stdin.buffer.read().decode(errors="replace")


def _what_now(request: RunRequest, name: str) -> str:
    if prints_only(request.claude_arguments):
        return f"follow it: pinnace logs -f {name}; its answer: pinnace result {name}"
    return f"attach to it: pinnace attach {name}; what it has printed: pinnace logs {name}"


def followed(arguments: tuple[str, ...]) -> tuple[str, ...]:
    """Return Claude's arguments; in print mode, with no format given, they ask for events."""
    if not prints_only(arguments):
        return arguments
    given = {word.option for word in read(arguments)}
    return arguments if "--output-format" in given else (*_FOLLOWED, *arguments)


def _takes_input(request: RunRequest, facts: HostFacts) -> bool:
    asks = prints_only(request.claude_arguments) or (request.prompt and request.prompt.stdin)
    return bool(asks) and not facts.stdin_tty and sys.stdin is not None


def _open_standard_streams() -> None:
    """Let no file or pipe take the number of a standard stream that was closed by the caller."""
    while (descriptor := os.open(os.devnull, os.O_RDWR)) <= _STANDARD_ERROR:
        pass
    os.close(descriptor)


def _piped() -> IO[bytes]:
    """Return a file without a name with all that is piped in: the pipe ends with this process."""
    place = make_directory(jobs.directory(), mode=0o700)
    spool = tempfile.TemporaryFile(dir=place)  # noqa: SIM115 (whoever calls closes it)
    shutil.copyfileobj(sys.stdin.buffer, spool)
    spool.seek(0)
    return spool


def start(
    request: RunRequest,
    cwd: str,
    given: IO[bytes] | int,
    environment: Mapping[str, str] | None = None,
) -> str:
    """Start one; return its name, once it runs.

    Args:
        request: what is asked for.
        cwd: where.
        given: Claude's standard input, if it prints.
        environment: instead of this process's.

    Raises:
        PinnaceError: any of its kinds; nothing runs then.
    """
    _require_platform()
    jobs.forget_old()
    keeper, orders, answers = _keeper(cwd, given, environment)
    with answers:
        try:
            # One that has ended reads nothing; what it said last tells why.
            with suppress(BrokenPipeError), orders:
                orders.write(json.dumps({"request": to_json(request), "cwd": cwd}).encode())
            return _answered(answers)
        except BaseException:
            keeper.terminate()
            raise


def _keeper(
    cwd: str, given: IO[bytes] | int, environment: Mapping[str, str] | None
) -> tuple[subprocess.Popen[bytes], IO[bytes], IO[bytes]]:
    """Start a keeper; return it, where its order is written to, and where its answers come from.

    Raises:
        LaunchEndedError: it cannot be started.
    """
    order_read, order = os.pipe()
    answer, answer_write = os.pipe()
    # -P: the working directory is a project; nothing may be imported from there.
    argv = [sys.executable, "-P", "-m", "pinnace.launch.keeper", str(order_read), str(answer_write)]
    try:
        keeper = subprocess.Popen(
            argv,
            cwd=cwd,
            env=environment,
            stdin=given,
            stdout=_NOTHING,
            stderr=_NOTHING,
            pass_fds=(order_read, answer_write),
            start_new_session=True,
        )
    except OSError as error:
        os.close(order)
        os.close(answer)
        raise LaunchEndedError(
            f"the launch's keeper does not start: {error}", hint="try it without --detach"
        ) from error
    finally:
        os.close(order_read)
        os.close(answer_write)
    # Those that have ended are buried meanwhile.
    _keepers[:] = [one for one in _keepers if one.poll() is None] + [keeper]
    return keeper, os.fdopen(order, "wb"), os.fdopen(answer, "rb")


def _require_platform() -> None:
    if sys.platform == "win32":
        raise PlatformUnsupportedError(
            "launches are not detached on Windows itself", hint="do it in WSL 2"
        )


def _answered(answers: IO[bytes]) -> str:
    for line in answers:
        said = json.loads(line)
        if "name" in said:
            return str(said["name"])
        if "error" in said:
            raise _error(said["error"])
        console.stderr(said["note"])
    raise LaunchEndedError(
        "the launch ended before it began, without a word", hint="try it without --detach"
    )


def _error(said: Mapping[str, Any]) -> PinnaceError:
    """Return the keeper's error: its own class is not known here, its exit code is."""
    kind = type("DetachedError", (PinnaceError,), {"exit_code": int(said["exit_code"])})
    error: PinnaceError = kind(said["message"], hint=said["hint"])
    return error


def to_json(request: RunRequest) -> dict[str, Any]:
    """Return a request as plain data."""
    prompt = request.prompt._asdict() if request.prompt else None
    tables = {name: dict(getattr(request, name)) for name in ("flags", "files", "variables")}
    plain = {**tables, "prompt": prompt}
    return {**request._asdict(), **plain}


def from_json(said: Mapping[str, Any]) -> RunRequest:
    """Return the request of plain data."""
    prompt = said["prompt"]
    if prompt:
        pairs = tuple((name, text) for name, text in prompt["assignments"])
        prompt = PromptRequest(prompt["file"], pairs, tuple(prompt["files"]), prompt["stdin"])
    arguments = tuple(said["claude_arguments"])
    return RunRequest(**{**said, "claude_arguments": arguments, "prompt": prompt})
