"""Summarise many files, some at a time; what has failed is tried anew by the next run."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import anyio

from pinnace import Ask, Pinnace, Prompt, Watch

if TYPE_CHECKING:
    from pinnace import Answer

_PROMPT = "Say in one line what {{ path }} is about."


class Progress(Watch):
    """Counts the answers as they come."""

    def __init__(self, total: int) -> None:
        """Begin at none."""
        self.count, self.total = 0, total

    def ended(self, answer: Answer) -> None:
        """Print how far it is."""
        self.count += 1
        print(f"{self.count} of {self.total}: {answer.error or 'done'}")


async def answers_to(files: list[Path]) -> list[Answer]:
    """Ask about each, four at once; they may cost ten dollars together.

    A prompt is made in a thread, when its turn comes.
    """
    asks = [Ask(partial(Prompt.text, _PROMPT, {"path": str(path)})) for path in files]
    watch = Progress(len(files))
    return await Pinnace(project=".").map(asks, limit=4, total_usd=10, tools=["Read"], watch=watch)


def main() -> None:
    """Keep each answer beside the others."""
    place = Path("summaries")
    place.mkdir(exist_ok=True)
    files = [path for path in sorted(Path().glob("*.md")) if not (place / path.name).exists()]
    for path, answer in zip(files, anyio.run(answers_to, files), strict=True):
        if answer.result is not None:
            (place / path.name).write_text(answer.result.text, encoding="utf-8")


if __name__ == "__main__":
    main()
