"""Review the last commit in CI: ends with 1 for serious findings, 2 without an answer."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass
from typing import Literal

from pinnace import ClaudeError, PinnaceError, sync


@dataclass
class Finding:
    """One of a review's."""

    path: str
    line: int
    severity: Literal["note", "serious"]
    message: str


@dataclass
class Findings:
    """What is asked for."""

    findings: list[Finding]


def main() -> int:
    """Print the findings, a line each; return the exit code."""
    command = ["git", "log", "-1", "--patch", "--no-ext-diff", "--no-textconv"]
    change = subprocess.run(command, check=False, capture_output=True, text=True).stdout
    try:
        result = sync.claude(
            f"Find mistakes in this change.\n\n{change}",
            output=Findings,
            timeout=900,
            budget_usd=2,
            tools=["Read", "Grep"],
            permission_mode="dontAsk",
        )
    except ClaudeError as error:
        # Too long, too dear, refused: the session and what it cost are there all the same.
        print(f"{error.message}: {error.result.cost_usd} USD", file=sys.stderr)
        return 2
    except PinnaceError as error:
        # Nothing was started: the hint says what to do about it.
        print(f"{error.message}\n{error.hint}", file=sys.stderr)
        return error.exit_code
    for one in result.data.findings:
        print(f"{one.path}:{one.line}: {one.severity}: {one.message}")
    return int(any(one.severity == "serious" for one in result.data.findings))


if __name__ == "__main__":
    sys.exit(main())
