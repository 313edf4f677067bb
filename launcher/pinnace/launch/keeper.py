"""The process that owns a detached launch, and outlives the terminal that it was started from.

It prepares and starts it, keeps what it prints, and says how it ended.

    python -P -m pinnace.launch.keeper ORDER ANSWER

ORDER and ANSWER are descriptors: a request as JSON is read from the first, and what became of it is
written to the second, a line of JSON each: notes, then the launch's name or an error.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

from pinnace.agent.arguments import prints_only, read
from pinnace.launch import detached, guardian, jobs, keeping, kept
from pinnace.launch.ending import Container
from pinnace.launch.jobs import Exit, Job
from pinnace.launch.kept import Kept
from pinnace.launch.prepare import prepared
from pinnace.launch.prepare import read as read_context
from pinnace.launch.ready import explain, ready
from pinnace_core import console, signals, startup
from pinnace_core.errors import EngineUnsuitableError, PinnaceError
from pinnace_core.host import HostFacts

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import FrameType

    from pinnace.launch.prepare import Prepared
    from pinnace.launch.ready import Ready
    from pinnace.request import RunRequest
    from pinnace_core.engine import Engine

_KILLED_BY: Final = 128
_REFUSED: Final = 125
_KILLED: Final = 137
_INTERNAL: Final = 70
_PAUSE_SECONDS: Final = 0.1
_ENDING: Final = ("SIGINT", "SIGTERM", "SIGHUP")


class Keeper:
    """Prepares one launch, keeps what it prints, and records how it ended.

    Attributes:
        job: the launch's record, as soon as it has a name; others find it from the start on.
    """

    def __init__(self, answer: int) -> None:
        """Take the descriptor that answers are written to, for who waits for the start."""
        self.job: Job | None = None
        self._answer = answer
        self._is_started = False
        self._is_named = False
        self._saying = threading.Lock()
        self._errors: Kept | None = None
        self._lock = -1

    def run(self, request: RunRequest, facts: HostFacts) -> int:
        """Launch, and keep it to its end; return the exit code.

        Raises:
            PinnaceError: any of its kinds; what was started has ended.
        """
        printing = prints_only(request.claude_arguments)
        facts = facts._replace(stdin_tty=not printing, stdout_tty=not printing)
        here = read_context(request, facts)
        launch = prepared(here)
        with guardian.present(), ready(launch) as now:
            code = self._run_client(launch, now)
            now.outcome.code = code
            explain(code, here, launch.image)
            return code

    def note(self, text: str) -> None:
        """Pass on a note: to whoever waits for the start, or into the file of errors."""
        if self._errors is None:
            self._say({"note": text})
        else:
            self._errors.write(f"{text}\n".encode(errors="backslashreplace"))

    def end(self, how: Exit, error: PinnaceError | None = None) -> None:
        """Say how it ended: to all that ask later, or to whoever still waits for the start."""
        if error and not self._is_started:
            told = {"message": error.message, "hint": error.hint, "exit_code": error.exit_code}
            self._say({"error": told})
        if error:
            self.note(f"pinnace: error: {error.message}")
        if self.job is not None and self._is_started:
            jobs.end(self.job, how)
        elif self.job is not None:
            jobs.forget(self.job)

    def _say(self, answer: dict[str, Any]) -> None:
        with suppress(OSError):
            os.write(self._answer, json.dumps(answer).encode() + b"\n")

    def _run_client(self, launch: Prepared, now: Ready) -> int:
        self.job = job = _job(launch)
        self._lock = jobs.begin(job)
        self._errors = Kept(job.place / "errors")
        kind = keeping.Terminal if job.terminal else keeping.Pipes
        with kind(job, self._errors) as streams:
            child = streams.start(now.argv, now.environment)
            self._is_started = True
            _pass_on_signals(child, launch)
            now.begin()
            about = (launch.here.engine, job.name, child)
            threading.Thread(target=self._await_container, args=about, daemon=True).start()
            streams.keep(child)
        code = child.wait()
        if code < 0 or code in {_REFUSED, _KILLED}:
            # It was the client that died, or the engine that refused: somebody has to look.
            now.outcome.is_gone = Container(launch.here.engine, job.name).remove_twice()
        self._require_started(job, code)
        return _KILLED_BY - code if code < 0 else code

    def _await_container(self, engine: Engine, name: str, child: subprocess.Popen[bytes]) -> None:
        """Say the name once the container runs: whoever has it can use it."""
        while child.poll() is None:
            with suppress(PinnaceError):
                found = engine.container(name)
                if found is not None and found.is_running:
                    self._name(name)
                    return
            time.sleep(_PAUSE_SECONDS)

    def _name(self, name: str) -> None:
        """Say the name, once; nobody waits for more then."""
        with self._saying:
            if not self._is_named:
                self._is_named = True
                self._say({"name": name})
                os.close(self._answer)

    def _require_started(self, job: Job, code: int) -> None:
        """Say the name of one that ended before anybody saw it run.

        Raises:
            EngineUnsuitableError: it was not started.
        """
        if code != _REFUSED or self._is_named:
            self._name(job.name)
            return
        self._is_started = False
        said = b"".join(kept.read(job, "errors")).decode(errors="replace").strip()
        raise EngineUnsuitableError(
            f"the engine did not start the container: {said.rpartition(chr(10))[2]}",
            hint="see what it cannot do: pinnace doctor",
        )


def _job(launch: Prepared) -> Job:
    here, spec = launch.here, launch.plan.spec
    words = read(here.request.claude_arguments)
    chosen = next((word.value for word in words if word.option == "--output-format"), "text")
    return Job(
        name=spec.name,
        workspace=here.project.source,
        begun=time.time(),
        terminal=spec.tty,
        # At a terminal, Claude takes no notice of it.
        form="text" if spec.tty else chosen,
        version=str(launch.version),
        image=launch.image.id,
        program=here.engine.name,
        branch=here.config.settings.branch,
    )


def _pass_on_signals(child: subprocess.Popen[bytes], launch: Prepared) -> None:
    """Let what is to end this end the launch: it is recorded then."""
    ending = launch.here.engine.signal_argv(launch.plan.spec.name, "TERM")

    def end(_number: int, _frame: FrameType | None) -> None:
        subprocess.Popen(ending, stdin=-3, stdout=-3, stderr=-3, start_new_session=True)
        if not launch.plan.spec.tty:
            child.terminate()

    for name in _ENDING:
        signal.signal(getattr(signal, name), end)


def main(said: Sequence[str]) -> int:
    """Keep one launch."""
    startup.settle()
    with os.fdopen(int(said[0]), "rb") as stream:
        order = json.loads(stream.read())
    keeper = Keeper(int(said[1]))
    code, error = _INTERNAL, None
    with console.collected(keeper.note), signals.unwinding(all_alike=True):
        try:
            code = _launched(keeper, order)
        except SystemExit as ended:
            code = ended.code if isinstance(ended.code, int) else _INTERNAL
        except PinnaceError as failed:
            code, error = failed.exit_code, failed
        except Exception as failed:  # noqa: BLE001 (whoever waits has to know)
            name = type(failed).__name__
            error = PinnaceError(f"this should not happen: {name}: {failed}", hint="report it")
        finally:
            keeper.end(Exit(code, time.time(), error.message if error else ""), error)
    return code


def _launched(keeper: Keeper, order: dict[str, Any]) -> int:
    request = detached.from_json(order["request"])
    facts = HostFacts.detect()._replace(cwd=order["cwd"])
    if request.prompt is None:
        return keeper.run(request, facts)
    from pinnace.launch import prompted

    return prompted.run(request, facts, keeper.run)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
