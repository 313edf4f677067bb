"""`pinnace-build` in a hurry: `python hasty.py ARGUMENTS...` hardly waits between two attempts.

How often something is tried, and what is said of it, stays; so does what a registry asks for with
`Retry-After`.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from pinnace_builder import __main__ as command
from pinnace_core import retry

_FACTOR: Final = 0.01


def main() -> None:
    """Shorten the usual waits, then be the command."""
    usual = retry.DEFAULT_POLICY
    retry.DEFAULT_POLICY = replace(usual, first_seconds=usual.first_seconds * _FACTOR)
    command.main()


if __name__ == "__main__":
    main()
