"""The gateway's first process sees when a list lets less through than the one before it."""

from __future__ import annotations

import itertools
import random
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest

import pinnace.gateway

if TYPE_CHECKING:
    from collections.abc import Sequence

_START: Final = Path(pinnace.gateway.__file__).with_name("files") / "start"
# The function alone, and an answer for each pair of lists; `;` stands for the end of a line.
_ASK: Final = r"""
eval "$(sed -n '/^lets_less() {/,/^}/p' "$1")"
while IFS='|' read -r before after; do
    lets_less "${before//;/$'\n'}" "${after//;/$'\n'}" && echo less || echo no
done
"""
_NAMES: Final = ("a.example", "b.example", "*.example")
_LINES: Final = tuple(f"{n} 443 {v}" for n, v in itertools.product(_NAMES, "01"))
_SEED: Final = 20


def _answers(pairs: Sequence[tuple[Sequence[str], Sequence[str]]]) -> list[str]:
    text = "".join(f"{';'.join(before)}|{';'.join(after)}\n" for before, after in pairs)
    command = ["/bin/bash", "-c", _ASK, "bash", str(_START)]
    done = subprocess.run(command, input=text, check=True, capture_output=True, text=True)
    return done.stdout.split()


def _let_through(lines: Sequence[str]) -> set[str]:
    """Return which hosts are let through: the first line that fits counts."""
    found = set()
    for name in ("a.example", "b.example", "c.example"):
        fitting = (one.split() for one in lines if one.startswith((f"{name} ", "*.example ")))
        if next(fitting, ["", "", "1"])[2] == "0":
            found.add(name)
    return found


@pytest.mark.parametrize(
    ("before", "after", "answer"),
    [
        (["a.example 443 0"], [], "less"),
        (["*.example 443 0"], ["a.example 443 1", "*.example 443 0"], "less"),
        # What is refused for all projects, let through in this one, and then no more: the same
        # lines, or fewer of them, as the settings let it through, too.
        (
            ["a.example 443 0", "a.example 443 1", "a.example 443 0"],
            ["a.example 443 1", "a.example 443 1", "a.example 443 0"],
            "less",
        ),
        (
            ["a.example 443 0", "a.example 443 1", "a.example 443 0"],
            ["a.example 443 1", "a.example 443 0"],
            "less",
        ),
        # What lets more through ends nobody's connection.
        ([], ["a.example 443 0"], "no"),
        (["*.example 443 1"], ["a.example 443 0", "*.example 443 1"], "no"),
        (["a.example 443 1", "*.example 443 0"], ["*.example 443 0"], "no"),
        (["a.example 443 1", "*.example 443 0"], ["a.example 443 0", "*.example 443 0"], "no"),
        (["b.example 443 0", "a.example 443 0"], ["a.example 443 0", "b.example 443 0"], "no"),
    ],
)
def test_less_is_seen_and_more_is_not_taken_for_it(
    before: list[str], after: list[str], answer: str
) -> None:
    assert _answers([(before, after)]) == [answer]


def test_no_list_that_lets_less_through_is_overlooked() -> None:
    chance = random.Random(_SEED)  # noqa: S311 (not for keys)
    lists = [chance.choices(_LINES, k=chance.randrange(6)) for _ in range(1200)]
    pairs = list(itertools.pairwise(lists))
    overlooked = [
        pair
        for pair, answer in zip(pairs, _answers(pairs), strict=True)
        if answer == "no" and _let_through(pair[0]) - _let_through(pair[1])
    ]

    assert overlooked == []
