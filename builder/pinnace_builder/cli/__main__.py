"""Run the command as `python -m pinnace_builder.cli`."""

from __future__ import annotations

from pinnace_builder.cli import main

main()
