"""The command `pinnace`. What a launch does not need is imported only where it is needed."""

from __future__ import annotations

import gc
import os
import sys

from pinnace_core import startup

_NOT_A_LAUNCH = ("-h", "--help", "--version", "-V", "-v")
# A shell asks what could stand at the cursor; the line itself is in other variables.
_COMPLETING = "_PINNACE_COMPLETE"


def main() -> None:
    """Run the command; the exit code is documented in docs/exit-codes.md."""
    startup.settle()
    from pinnace_core.console import run_main

    code = run_main("pinnace", lambda: _dispatch(sys.argv[1:]))
    # Nothing is left to be torn down; the interpreter would take 8 ms over it.
    os._exit(code)


def _dispatch(arguments: list[str]) -> int:
    first = arguments[0] if arguments else ""
    if _COMPLETING in os.environ:
        return verbs()
    if first == "run":
        return _launch(arguments[1:])
    # A text with blanks is a prompt, and what begins with a dash an option of a launch.
    verb = first and not first.startswith("-") and not any(c.isspace() for c in first.strip())
    return verbs() if verb or first in _NOT_A_LAUNCH else _launch(arguments)


def _launch(arguments: list[str]) -> int:
    # What is made from here to the hand-over is needed or little; looking through it costs 2 ms.
    gc.disable()
    from pinnace import request
    from pinnace.agent import background
    from pinnace.launch import start
    from pinnace_core.host import HostFacts

    startup.listen()
    asked = request.parse(arguments)
    if asked.help:
        return verbs(["run", "--help"])
    verb = background.verb(asked.claude_arguments)
    if verb:
        return verbs(verb)
    return start.run(asked, HostFacts.detect())


def verbs(arguments: list[str] | None = None) -> int:
    """Run a verb; without arguments, that of this process's own."""
    from pinnace.cli import cli
    from pinnace_core import output

    startup.listen()
    if _COMPLETING in os.environ:
        cli.main(prog_name="pinnace")
    result = output.invoke(cli, "pinnace", sys.argv[1:] if arguments is None else arguments)
    return result if isinstance(result, int) else 0


if __name__ == "__main__":
    main()
