"""`pinnace session`: what Claude's sessions are called, hold, and whether they are running."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import anyio
import click

from pinnace.agent import places
from pinnace.cli import group
from pinnace.launch import sessions as launches
from pinnace.sessions import Names, about, entries, export, search, transcripts
from pinnace_core import console, output
from pinnace_core.errors import PinnaceError, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from pinnace.sessions.about import About

_COLUMNS: Final = ("name", "id", "written", "size", "state", "title")
_SHORT: Final = 8
_HITS: Final = 50
_everywhere = click.option("--all", "everywhere", is_flag=True, help="Those of all projects.")


@group.cli.group("session", cls=output.Group)
def session_group() -> None:
    """List Claude's sessions in this project; show, resume, name, copy, export, remove them."""


def words(_context: click.Context, _parameter: click.Parameter, incomplete: str) -> list[str]:
    """Name sessions, and the ids of those without a name, by their beginning."""
    try:
        found = about.all_of(launches.config(group.context()))
    except PinnaceError:
        return []
    return [one.called for one in found if one.called.startswith(incomplete)]


which = click.argument("which", metavar="SESSION", shell_complete=words)


@session_group.command("list")
@_everywhere
@output.json_option
def list_command(*, everywhere: bool, as_json: bool) -> int:
    """List this project's sessions, and of other worktrees of its repository; the newest last."""
    rows = [row for place in _places(everywhere=everywhere) for row in _rows(*place)]
    if as_json:
        return output.print_result(rows)
    several = len({row["project"] for row in rows}) > 1
    columns = (*_COLUMNS, "project") if everywhere or several else _COLUMNS
    table = [tuple(name.upper() for name in columns)]
    table += [tuple(_cell(name, row[name]) for name in columns) for row in rows]
    for line in output.aligned(table) if rows else ["there is no session here (--all: anywhere)"]:
        output.say(line)
    return 0


def _places(*, everywhere: bool) -> list[tuple[str, Path]]:
    """Return projects, and Claude's config directories there."""
    if not everywhere:
        return [(site.root, site.config) for site in launches.sites(group.context())]
    return [
        (record.root, config)
        for slot, record in places.records()
        for config in sorted(slot.iterdir())
        if config.is_dir() and not config.is_symlink()
    ]


def _rows(workspace: str, config: Path) -> Iterator[dict[str, Any]]:
    copies = launches.of_project(group.context(), workspace, config)
    for one in anyio.run(copies.listed) if copies else ():
        yield _row(one, workspace, "stored")
    running, names = launches.running(), Names(config)
    for name, named in about.without_transcript(config).items():
        state = "gone" if named.begun else "not begun"
        yield {"name": name, "id": named.id, "state": state, "project": workspace} | dict.fromkeys(
            ("written", "size", "title", "directory", "branch", "version")
        )
    for one in about.all_of(config):
        busy = running.has(one.transcript, workspace, names)
        yield _row(one, workspace, "running" if busy else "ended")


def _row(one: About, workspace: str, state: str) -> dict[str, Any]:
    return {
        "name": one.name,
        "id": one.transcript.id,
        "written": datetime.fromtimestamp(one.transcript.modified, UTC).isoformat(),
        "size": one.transcript.size,
        "state": state,
        "title": one.title,
        "directory": one.cwd,
        "branch": one.branch,
        "version": one.version,
        "project": workspace,
    }


def _cell(name: str, value: object) -> str:
    if value is None or value == "":
        return "-"
    if name == "written":
        return datetime.fromisoformat(str(value)).astimezone().strftime("%Y-%m-%d %H:%M")
    if name == "size" and isinstance(value, int):
        return console.size_text(value)
    text = " ".join(console.without_commands(str(value)).split())
    return text[:_SHORT] if name == "id" else text[:60]


@session_group.command("show")
@which
@output.json_option
def show_command(*, which: str, as_json: bool) -> int:
    """Print what was said in a session; what tools answered, shortened."""
    one = launches.chosen(group.context(), which)
    counts = entries.Counts()
    with transcripts.opened(one.transcript) as stream:
        said = entries.messages(stream, counts)
        if as_json:
            parts = [{**m._asdict(), "blocks": [b._asdict() for b in m.blocks]} for m in said]
            left = {"corrupt": counts.corrupt, "long": counts.long, "half": counts.half}
            head = {"id": one.transcript.id, "name": one.name, "title": one.title}
            return output.print_result({**head, "messages": parts, "left_out": left})
        click.echo(console.without_commands(f"{one.called}: {one.title}\nbegun in {one.cwd}\n"))
        for message in said:
            click.echo(export.readable(message))
    tell(counts)
    return 0


def tell(counts: entries.Counts) -> None:
    """Say what was left out of a transcript, if anything was."""
    if counts.described():
        console.stderr(f"pinnace: {counts.described()}")


@session_group.command("export")
@which
@click.option(
    "--format", "form", default="markdown", show_default=True, type=click.Choice(export.FORMATS)
)
@click.option(
    "--output", "path", type=click.Path(path_type=Path), help="A new file, not standard output."
)
def export_command(*, which: str, form: str, path: Path | None) -> None:
    """Write a whole session: for people, as Claude wrote it (jsonl), or its messages (json)."""
    one = launches.chosen(group.context(), which)
    counts = entries.Counts()
    pieces = export.exported(one, form, counts)
    if path is None:
        for piece in pieces:
            click.echo(piece, nl=False)
    else:
        _write(path, pieces)
    tell(counts)


def _write(path: Path, pieces: Iterable[str]) -> None:
    try:
        with path.open("x", encoding="utf-8") as stream:
            for piece in pieces:
                stream.write(piece)
    except FileExistsError as error:
        raise UsageError(f"'{path}' is there already", hint="name another file") from error


@session_group.command("search")
@click.argument("text")
@_everywhere
@click.option(
    "--most", default=_HITS, show_default=True, type=click.IntRange(min=1), help="So many."
)
@output.json_option
def search_command(*, text: str, everywhere: bool, most: int, as_json: bool) -> int:
    """Find what was said with TEXT in it, in upper or lower case."""
    where = _places(everywhere=everywhere)
    counts = entries.Counts()
    hits = list(islice(_hits(text, where, counts), most))
    if as_json:
        return output.print_result(hits)
    for found in hits:
        said = console.without_commands(f"{found['role']}: {found['text']}")
        output.say(f"{found['session'][:_SHORT]} {found['name']}  {found['time'][:16]}  {said}")
    tell(counts)
    if not hits:
        console.stderr("pinnace: nothing was found")
    return 0


def _hits(
    text: str, where: list[tuple[str, Path]], counts: entries.Counts
) -> Iterator[dict[str, Any]]:
    for workspace, config in where:
        for one in about.all_of(config):
            for hit in search.search(one.transcript, text, counts):
                yield _hit(one, workspace, hit)
        copies = launches.of_project(group.context(), workspace, config)
        for one, hit in anyio.run(copies.search, text) if copies else ():
            yield _hit(one, workspace, hit)


def _hit(one: About, workspace: str, hit: search.Hit) -> dict[str, Any]:
    return {"session": one.transcript.id, "name": one.name, "project": workspace, **hit._asdict()}
