"""The verb `gc`."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

import click

from pinnace_builder import retention
from pinnace_builder.cli import group
from pinnace_builder.retention import policy
from pinnace_core import output
from pinnace_core.console import say, size_text
from pinnace_core.errors import UsageError
from pinnace_images.versions import Specifier

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from pinnace_builder.images_config import Images, Retention
    from pinnace_builder.retention.policy import Item, Plan

_MOST_DAYS: Final = 36_500


@group.cli.command("gc")
@click.option(
    "--apply", "--yes", "applied", is_flag=True, help="Do it; without, it is only printed."
)
@click.option("--explain", is_flag=True, help="Also print what stays, and why.")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
@click.option(
    "--scope",
    "scopes",
    multiple=True,
    type=click.Choice(policy.SCOPES),
    help="May be repeated. Default: downloads, and the registry if a repository is named; images "
    "and the build cache are other people's and projects', too.",
)
@click.option("--repository", default="", metavar="HOST[:PORT]/NAME", help="Look there, too.")
@click.option("--newest", type=click.IntRange(min=0), help="Keep so many versions of each variant.")
@click.option("--days", type=click.IntRange(0, _MOST_DAYS), help="Keep everything that is younger.")
@click.option(
    "--pinned",
    multiple=True,
    metavar="SPEC",
    help="Keep these versions: exact, a line or a range. May be repeated.",
)
@click.option("--builder", default="", metavar="NAME", help="Whose cache; default: the current.")
@group.images_option
def gc_command(  # noqa: PLR0913 (a command line's options)
    *,
    scopes: tuple[str, ...],
    repository: str,
    newest: int | None,
    days: int | None,
    pinned: tuple[str, ...],
    builder: str,
    images: Images,
    applied: bool,
    explain: bool,
    as_json: bool,
) -> None:
    """Print what has piled up and may go; with --apply, remove it.

    The policy is [retention] in images.toml; --newest, --days and --pinned replace parts of it. A
    registry is looked at only where --repository names it on the command line.
    """
    order = retention.Order(
        policy=_policy(images.retention, newest, days, pinned),
        scopes=_scopes(scopes, repository),
        repository=repository,
        builder=builder,
    )
    done = retention.collect(order, apply=applied)
    if as_json:
        output.print_result(_described(done, applied=applied, explain=explain))
    else:
        _print(done, applied=applied, explain=explain)


def _policy(
    declared: Retention, newest: int | None, days: int | None, pinned: Sequence[str]
) -> policy.Policy:
    """Bring together what is declared and what the command line says instead."""
    return policy.Policy(
        newest=declared.newest if newest is None else newest,
        days=min(declared.days, _MOST_DAYS) if days is None else days,
        pinned=tuple(map(_pin, pinned or declared.pinned)),
        now=datetime.now(UTC),
    )


def _pin(text: str) -> Specifier:
    pin = Specifier.parse(text)
    if pin.is_channel:
        raise UsageError(
            f"'{pin}' is a channel: nobody can tell here which versions that pins",
            hint="pin versions, lines or ranges; what a channel's tag names stays anyway",
        )
    return pin


def _scopes(chosen: Sequence[str], repository: str) -> tuple[str, ...]:
    scopes = chosen or (policy.DOWNLOADS, *([policy.REGISTRY] if repository else []))
    if (policy.REGISTRY in scopes) != bool(repository):
        raise UsageError(
            "the scope 'registry' and --repository belong together",
            hint="name both, as in: --scope registry --repository HOST/NAME",
        )
    return tuple(scope for scope in policy.SCOPES if scope in scopes)


def _described(done: Plan, *, applied: bool, explain: bool) -> dict[str, object]:
    return {
        "applied": applied,
        "size": done.size,
        "gone": [asdict(item) for item in done.gone],
        **({"kept": [asdict(item) for item in done.kept]} if explain else {}),
    }


def _print(done: Plan, *, applied: bool, explain: bool) -> None:
    if explain and done.kept:
        _print_table("stays", done.kept)
    if done.gone:
        _print_table("went" if applied else "goes", done.gone)
    unknown = any(item.size is None for item in done.gone)
    total = f"{'at least ' if unknown else ''}{size_text(done.size)}"
    click.echo(f"total: {total} in {len(done.gone)} thing{'' if len(done.gone) == 1 else 's'}")
    if done.gone and not applied:
        say("nothing was removed: --apply does it")


def _print_table(verb: str, items: Iterable[Item]) -> None:
    rows = [(item.scope, item.what, item.why, size_text(item.size)) for item in items]
    for line in output.aligned([("scope", verb, "why", "size"), *rows]):
        click.echo(line)
