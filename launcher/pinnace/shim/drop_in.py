"""What a drop-in `claude` runs: a launch with its arguments untouched, and no word before its end.

The script passes one argument of its own, the first: whether a missing image may be got.
"""

from __future__ import annotations

import gc
import os
import sys

from pinnace_core import startup

PROVISION = "provision"
NO_PROVISION = "no-provision"
# As the CLI itself: a word alone (2.1.330).
_VERSION = ("--version", "-v", "-V")
# What this starts (a program that gives a key, say) must not start it again.
_STARTED = "_PINNACE_SHIM"


def main() -> None:
    """Run Claude; the exit code is its own, or documented in docs/exit-codes.md."""
    startup.settle()
    from pinnace_core.console import run_main

    code = run_main("pinnace", lambda: _run(sys.argv[1], sys.argv[2:]))
    os._exit(code)


def _run(mode: str, arguments: list[str]) -> int:
    _require_outside()
    if _asks_for_version(arguments):
        return _tell_version()
    from pinnace.shim import wrapped

    passed = wrapped.without_binary(arguments)
    if _asks_for_version(passed):
        return _tell_version()
    return _launch(mode, passed, wrapped.version_of(arguments, passed))


def _asks_for_version(arguments: list[str]) -> bool:
    return len(arguments) == 1 and arguments[0] in _VERSION


def _require_outside() -> None:
    """See that nothing of Pinnace's has started this.

    Raises:
        UsageError: it would start itself for ever.
    """
    from pinnace_core.errors import UsageError

    if os.environ.get(_STARTED):
        raise UsageError(
            "this 'claude' is Pinnace's own, and was started by a launch: it would go on for ever",
            hint="name another program, by its path, where a key or the like is to come from",
        )
    os.environ[_STARTED] = "1"


def _tell_version() -> int:
    """Print what the pin means, as the CLI does; clients wait two seconds for that."""
    from pinnace.shim import version

    sys.stdout.write(f"{version.pinned()} (Claude Code)\n")
    return 0


def _launch(mode: str, arguments: list[str], theirs: str) -> int:
    # As `pinnace run` does.
    gc.disable()
    from pinnace.agent import background
    from pinnace.launch import start
    from pinnace.launch.prepare import read
    from pinnace.request import RunRequest
    from pinnace.shim import notes, version
    from pinnace_core.console import stderr
    from pinnace_core.host import HostFacts

    verb = background.verb(arguments)
    if verb:
        from pinnace.__main__ import verbs

        return verbs(verb)
    startup.listen()
    # Nobody waits minutes for a build, behind a client.
    flags = {} if mode == PROVISION else {"run.provision": False}
    facts = HostFacts.detect()
    unlike = version.unlike(theirs, facts) if theirs else ""
    with notes.withheld(facts.cwd, unlike) as kept:
        asked = RunRequest(tuple(arguments), flags=flags)
        if background.begins(arguments):
            from pinnace.launch import detached

            return detached.run(asked, facts, "claude")
        code = start.launched(read(asked, facts), kept.pass_on)
    if code and unlike:
        stderr(f"pinnace: {unlike}")
    return code
