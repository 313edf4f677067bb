"""The command `pinnace-build`."""

from __future__ import annotations

import sys

from pinnace_builder.cli import checks, gc, images, locks, publish
from pinnace_builder.cli.group import cli
from pinnace_images.report import guard

__all__ = ["cli", "main"]

for _module in (locks, images, checks, publish, gc):
    for _command in _module.COMMANDS:
        cli.add_command(_command)


def main() -> None:
    """Run the command; the exit code is documented in docs/exit-codes.md."""
    sys.exit(guard("pinnace-build", lambda: cli.main(standalone_mode=False)))
