"""`pinnace help`: of a verb, as its `--help`; and the pages, which come along with Pinnace."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

import pinnace
from pinnace.cli import group
from pinnace_core import output
from pinnace_core.errors import UsageError, perhaps

if TYPE_CHECKING:
    from collections.abc import Iterable

_SUFFIX: Final = ".md"
_WIDTH: Final = 78


def _completed(_context: click.Context, _parameter: click.Parameter, incomplete: str) -> list[str]:
    known = [*group.cli.commands, *_pages()]
    return sorted({name for name in known if name.startswith(incomplete)})


@group.cli.command("help")
@click.argument("words", nargs=-1, metavar="[VERB... | PAGE]", shell_complete=_completed)
@click.pass_context
def help_command(context: click.Context, words: tuple[str, ...]) -> int:
    """Explain a verb, or show a page of the documentation; without either, list both.

    Where a page has a verb's name, PAGE.md is the page.
    """
    pages = _pages()
    if not words:
        click.echo(context.find_root().get_help())
        click.echo(f"\nPages, for 'pinnace help PAGE':\n{_listed(pages)}")
        return 0
    first = words[0]
    page = pages.get(first.removeprefix("docs/").removesuffix(_SUFFIX))
    if first in group.cli.commands:
        output.invoke(group.cli, "pinnace", [*words, "--help"])
    elif page is None:
        guess = perhaps(first, [*group.cli.commands, *pages])
        raise UsageError(f"there is no verb or page '{first}'{guess}", hint="see: pinnace help")
    else:
        click.echo_via_pager(page.read_text(encoding="utf-8").removesuffix("\n"))
    return 0


def _listed(names: Iterable[str]) -> str:
    return click.wrap_text(", ".join(sorted(names)), _WIDTH, "  ", "  ")


def _pages() -> dict[str, Path]:
    """Return the pages by name: of the installed package, else of the checkout."""
    package = Path(pinnace.__file__).parent
    own = package / "docs"
    place = own if own.is_dir() else package.parents[1] / "docs"
    return {path.stem: path for path in place.glob(f"*{_SUFFIX}")}
