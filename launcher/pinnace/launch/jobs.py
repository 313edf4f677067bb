"""Detached launches: what is known of them, also long after they have ended.

    STATE/jobs/NAME/
        job.json        what it is; from then on there is one
        output, errors  what it printed, as it is; of very much, the last part (and `output.1`)
        exit.json       how it ended
        lock            held by its keeper as long as that lives
        socket          of its terminal, while it has one

NAME is the container's.
"""

from __future__ import annotations

import json
import os
import shutil
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from pinnace.config import project
from pinnace_core import host, locks
from pinnace_core.errors import AmbiguousNameError, CannotReadError, LaunchMissingError
from pinnace_core.files import cannot_write, make_directory, read_own, write_atomic
from pinnace_core.tuples import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

# Only another meaning of what is there makes another one: fields may be added.
_SCHEMA: Final = 1
_MOST_BYTES: Final = 1 << 20
_RECORD: Final = "job.json"
_EXIT: Final = "exit.json"
_LOCK: Final = "lock"
_PRIVATE: Final = 0o700
# How many launches that have ended stay on record at most, and for how long.
_MOST_ENDED: Final = 200
_KEPT_SECONDS: Final = 30 * 86_400
MOST_OUTPUT: Final = 64 << 20
"""Of a stream, the last so many bytes are kept, and as many from before at most."""


class Job(NamedTuple):
    """A detached launch, as it is recorded when it begins.

    Attributes:
        name: its own, which is the container's, too.
        workspace: the project, on the host.
        begun: in seconds since 1970.
        terminal: it has a terminal of its own, so Claude is interactive.
        form: the format of what it prints: `text`, `json` or `stream-json`.
        version: of the CLI.
        image: its id.
        program: the engine's client.
        branch: that it works on; empty: none of its own.
    """

    name: str
    workspace: str
    begun: float
    terminal: bool
    form: str
    version: str
    image: str = ""
    program: str = ""
    branch: str = ""

    @property
    def place(self) -> Path:
        """Its directory."""
        return directory() / self.name


# Of its fields.
_KINDS: Final = (str, str, float, bool, str, str, str, str, str)
# The year 5138: what is later is no time.
_NEVER: Final = 1e11


class Exit(NamedTuple):
    """How a detached launch ended.

    Attributes:
        code: of the exit.
        at: when, in seconds since 1970.
        error: what failed besides Claude; empty: nothing.
    """

    code: int
    at: float
    error: str = ""


def directory() -> Path:
    """Return the directory of all of them."""
    return host.directory("state") / "jobs"


def begin(job: Job) -> int:
    """Record a launch that is about to run; return a descriptor, to be kept open by its keeper.

    As long as it is open, the launch counts as running; the kernel closes it with the keeper.

    Raises:
        CannotWriteError: it cannot be recorded.
    """
    make_directory(job.place, mode=_PRIVATE)
    try:
        descriptor = os.open(job.place / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise cannot_write(job.place, error) from error
    locks.locked(descriptor)
    document = {"schema": _SCHEMA, **job._asdict()}
    write_atomic(job.place / _RECORD, json.dumps(document).encode(), mode=0o600, durable=True)
    return descriptor


def end(job: Job, how: Exit) -> None:
    """Record how one ended.

    Raises:
        CannotWriteError: it cannot be recorded.
    """
    data = json.dumps({"schema": _SCHEMA, **how._asdict()}).encode()
    write_atomic(job.place / _EXIT, data, mode=0o600, durable=True)


def exit_of(job: Job) -> Exit | None:
    """Return how one ended; None: it has not, or nobody was left to say how."""
    try:
        found = json.loads(read_own(job.place / _EXIT, most=_MOST_BYTES))
        how = Exit(int(found["code"]), float(found["at"]), str(found["error"]))
    except (OSError, ValueError, KeyError, TypeError, OverflowError, RecursionError):
        return None
    return how if 0 <= how.at < _NEVER else None


def is_kept(job: Job) -> bool:
    """Return whether its keeper lives."""
    try:
        descriptor = os.open(job.place / _LOCK, os.O_RDWR | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        return not locks.locked(descriptor, shared=True)
    finally:
        os.close(descriptor)


def state_of(job: Job) -> str:
    """Return `running`, `ended`, or `lost`: its keeper was killed, or the machine went down."""
    if exit_of(job) is not None:
        return "ended"
    if is_kept(job):
        return "running"
    # It may have ended between the two questions.
    return "lost" if exit_of(job) is None else "ended"


def wait(job: Job) -> Exit | None:
    """Wait until one has ended; return how, or None: it is lost."""
    with suppress(OSError):
        descriptor = os.open(job.place / _LOCK, os.O_RDWR | os.O_CLOEXEC)
        try:
            import fcntl

            fcntl.flock(descriptor, fcntl.LOCK_SH)
        finally:
            os.close(descriptor)
    return exit_of(job)


def load(name: str) -> Job | None:
    """Return one by its whole name; None: there is none, or its record cannot be read."""
    if not name or name != os.path.basename(name) or name.startswith("."):  # noqa: PTH119 (a name)
        return None
    try:
        found = json.loads(read_own(directory() / name / _RECORD, most=_MOST_BYTES))
        if found["schema"] != _SCHEMA:
            return None
        # What another version of Pinnace wrote may have less, or more.
        job = Job(**{field: found[field] for field in Job._fields if field in found})
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None
    is_sound = all(isinstance(value, kind) for value, kind in zip(job, _KINDS, strict=True))
    return job if is_sound and job.name == name and 0 <= job.begun < _NEVER else None


def all_of(workspace: str = "") -> list[Job]:
    """Return those of a project and of its branches' worktrees, or all, the oldest first."""
    found = [job for name in _names() if (job := load(name))]
    fitting = (job for job in found if not workspace or project.is_of(job.workspace, workspace))
    return sorted(fitting, key=lambda job: (job.begun, job.name))


def unreadable() -> list[str]:
    """Return the names of those whose records another version of Pinnace wrote, or are broken."""
    return sorted(name for name in _names() if _is_recorded(name) and load(name) is None)


def _is_recorded(name: str) -> bool:
    return os.path.lexists(directory() / name / _RECORD)


def _names() -> list[str]:
    try:
        return os.listdir(directory())  # noqa: PTH208 (names are what is wanted)
    except OSError:
        return []


def fitting(name: str) -> list[Job]:
    """Return those that a name means: the whole name, or a part of it.

    Raises:
        CannotReadError: it means none but one whose record cannot be read.
    """
    whole = load(name)
    found = [whole] if whole else [job for job in all_of() if name and name in job.name]
    broken = [] if found or not name else [one for one in unreadable() if name in one]
    if broken:
        raise CannotReadError(
            f"another version of Pinnace wrote the record of '{broken[0]}', or it is broken",
            hint=f"what it printed is there, too: {directory() / broken[0]}",
        )
    return found


def chosen(name: str | None, workspace: str) -> Job:
    """Return the one that a name means; without one, the project's newest.

    Raises:
        LaunchMissingError: there is none.
        AmbiguousNameError: there are several.
        CannotReadError: its record cannot be read.
    """
    found = fitting(name) if name else all_of(workspace)[-1:]
    return _only(found, name)


def _only(found: Sequence[Job], name: str | None) -> Job:
    if not found:
        what = f"no detached launch is called '{name}'" if name else "no launch was detached here"
        raise LaunchMissingError(what, hint="see: pinnace ps --ended --all; pinnace run --detach")
    if len(found) > 1:
        names = ", ".join(job.name for job in found)
        raise AmbiguousNameError(
            f"'{name}' fits {len(found)} detached launches", hint=f"name one of them: {names}"
        )
    return found[0]


def forget_old(now: float | None = None) -> None:
    """Remove those that ended long ago, and more of them than anybody looks through."""
    for job in list(_old(time.time() if now is None else now)):
        forget(job)


def forget(job: Job) -> None:
    """Remove all that is known of one."""
    shutil.rmtree(job.place, ignore_errors=True)


def _old(now: float) -> Iterator[Job]:
    over = [job for job in reversed(all_of()) if state_of(job) != "running"]
    for number, job in enumerate(over):
        how = exit_of(job)
        since = how.at if how else job.begun
        if number >= _MOST_ENDED or now - since > _KEPT_SECONDS:
            yield job
