"""The pages, as far as the tests read them: fenced blocks, commands, headings, links."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT: Final = Path(__file__).parents[2]
PAGES: Final = (ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").rglob("*.md")))
_FENCE: Final = "```"
_PROMPT: Final = "$ "
_EXIT: Final = re.compile(r"exit=(\d+)")
_HEADING: Final = re.compile(r"^#+ (.+)$")
_LINK: Final = re.compile(r"(?<!!)\[[^\]]+\]\(([^)\s]+)\)")
_CODE: Final = re.compile(r"`[^`]*`")


@dataclass(frozen=True)
class Command:
    """A command, and the lines that are shown below it."""

    text: str
    shown: tuple[str, ...]


@dataclass(frozen=True)
class Block:
    """A fenced block.

    Attributes:
        page: the file.
        number: of the line that opens it.
        info: what stands behind the fence: a language, and options.
        lines: its content.
    """

    page: Path
    number: int
    info: str
    lines: tuple[str, ...]

    @property
    def language(self) -> str:
        """The first word behind the fence."""
        return self.info.partition(" ")[0]

    @property
    def exit_code(self) -> int:
        """What the last command must exit with."""
        found = _EXIT.search(self.info)
        return int(found.group(1)) if found else 0

    @property
    def commands(self) -> tuple[Command, ...]:
        """The lines with a prompt, each with what is shown below it."""
        starts = [at for at, line in enumerate(self.lines) if line.startswith(_PROMPT)]
        ends = [*starts[1:], len(self.lines)]
        return tuple(
            Command(self.lines[start].removeprefix(_PROMPT), self.lines[start + 1 : end])
            for start, end in zip(starts, ends, strict=True)
        )

    def __str__(self) -> str:
        return f"{self.page.relative_to(ROOT)}:{self.number}"


def blocks(*languages: str) -> list[Block]:
    """List the blocks of all pages; of some languages, if any are given."""
    found = [block for page in PAGES for block in _blocks(page)]
    return [block for block in found if not languages or block.language in languages]


def _blocks(page: Path) -> Iterator[Block]:
    inside: list[str] | None = None
    info, start = "", 0
    for number, line in enumerate(page.read_text(encoding="utf-8").splitlines(), start=1):
        if not line.startswith(_FENCE):
            if inside is not None:
                inside.append(line)
        elif inside is None:
            inside, info, start = [], line.removeprefix(_FENCE).strip(), number
        else:
            yield Block(page, start, info, tuple(inside))
            inside = None
    assert inside is None, f"{page.name}:{start}: the block is not closed"


def prose(page: Path) -> list[str]:
    """Return a page's lines without its fenced blocks."""
    hidden = {
        number
        for block in _blocks(page)
        for number in range(block.number, block.number + len(block.lines) + 2)
    }
    lines = page.read_text(encoding="utf-8").splitlines()
    return [line for number, line in enumerate(lines, start=1) if number not in hidden]


def anchors(page: Path) -> set[str]:
    """Name the headings as links do."""
    headings = [found.group(1) for line in prose(page) if (found := _HEADING.match(line))]
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def links(page: Path) -> list[str]:
    """List what a page's links point to."""
    return _LINK.findall(_CODE.sub("code", "\n".join(prose(page))))


def text() -> str:
    """Return all pages below docs/ as one text."""
    return "\n".join(p.read_text(encoding="utf-8") for p in PAGES if p.parent.name == "docs")
