"""The launch of the command line: prepared, handed over, and what its end means said."""

from __future__ import annotations

import gc
from typing import TYPE_CHECKING, Final

from pinnace.agent import background
from pinnace.launch.clock import Clock, described
from pinnace.launch.handover import OUTPUT_LOST, hand_over, wait_for_foreground
from pinnace.launch.prepare import announce, prepared, read
from pinnace.launch.ready import explain, ready
from pinnace_core import console, signals

if TYPE_CHECKING:
    from collections.abc import Callable

    from pinnace.context import Context
    from pinnace.launch.prepare import Prepared
    from pinnace.plan import LaunchPlan
    from pinnace.request import RunRequest
    from pinnace_core.host import HostFacts

_GRACE_SECONDS: Final = 5


def run(request: RunRequest, facts: HostFacts) -> int:
    """Launch; return the exit code of what was run.

    Raises:
        PinnaceError: any of its kinds, before anything was started; or the image went away.
    """
    if request.detach or background.begins(request.claude_arguments):
        from pinnace.launch import detached

        return detached.run(request, facts)
    if request.prompt:
        from pinnace.launch import prompted

        return prompted.run(request, facts, run)
    return launched(read(request, facts))


def launched(here: Context, after: Callable[[], None] | None = None) -> int:
    """Launch where everything is read; otherwise as `run`.

    Args:
        here: all that was read.
        after: is called when Claude has ended, before anything is said of that; who gives it is
            told nothing about this command.
    """
    clock, request = Clock(), here.request
    launch = prepared(here, clock.mark)
    if request.dry_run:
        _show(launch.plan, here)
        return 0
    terminal = launch.plan.spec.tty
    if terminal:
        wait_for_foreground()
    code = _handed_over(launch, after)
    clock.mark("run")
    explain(code, here, launch.image)
    if terminal and code == 0 and not request.claude_arguments and after is None:
        # Claude's own last line names a command that may not be on this machine.
        console.stderr("pinnace: to resume it: pinnace --resume, or pinnace --continue")
    if request.timing:
        for line in described(clock.steps):
            console.stderr(f"pinnace: {line}")
    return code


def _handed_over(launch: Prepared, after: Callable[[], None] | None) -> int:
    # What is there stays: looking through it again costs 3 ms.
    gc.freeze()
    gc.enable()
    # While the client runs, its signals are blocked here and passed on; before and after, they end
    # this process by an exception.
    with signals.unwinding(all_alike=True), ready(launch) as now:
        apart = now.pass_on is not None and not now.spec.tty
        code = hand_over(now.argv, now.environment, now.begin, now.pass_on, apart=apart)
        now.outcome.code = code
        if code == OUTPUT_LOST:
            # As a program that writes to such a pipe ends: nobody is left whom it works for.
            launch.here.engine.stop([now.spec.name], grace=_GRACE_SECONDS)
        if after:
            after()
        return code


def _show(launch: LaunchPlan, here: Context) -> None:
    from pinnace_core.quoting import line

    announce(launch.pending())
    console.stderr(f"pinnace: isolation {here.config.settings.isolation}: pinnace isolation show")
    argv = here.engine.argv(launch.spec)
    print(line(argv, here.facts))  # noqa: T201 (no click on this path)
