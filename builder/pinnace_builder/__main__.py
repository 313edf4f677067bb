"""The command `pinnace-build`. Its parts are loaded once Ctrl-C is taken care of."""

from __future__ import annotations

import sys

from pinnace_core import startup


def main() -> None:
    """Run the command; the exit code is documented in docs/exit-codes.md."""
    startup.settle()
    from pinnace_builder.cli import run  # noqa: PLC0415

    code = run()
    startup.end_quietly()
    sys.exit(code)


if __name__ == "__main__":
    main()
