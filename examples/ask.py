"""Ask Claude, isolated, for an answer in a form of yours."""

from __future__ import annotations

from dataclasses import dataclass

import anyio

from pinnace import Limits, Pinnace


@dataclass
class Review:
    """What is asked for."""

    verdict: str


async def main() -> None:
    """Print a verdict, and what it cost."""
    box = Pinnace(project=".", limits=Limits(memory="4g"))
    result = await box.claude("Is README.md clear?", output=Review, timeout=600, budget_usd=2)
    print(f"{result.data.verdict} ({result.cost_usd} USD, {result.turns} turns)")


if __name__ == "__main__":
    anyio.run(main)
