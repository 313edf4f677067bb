"""`pinnace network`: what Claude reaches through the gateway, and what it was refused."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

import click

from pinnace.agent import cloud_hosts
from pinnace.cli import decisions as noting
from pinnace.cli import group
from pinnace.context import load_context
from pinnace.gateway import DENIED, Rule, headers, log, registries, rules, running
from pinnace.plan.contributors import gateway_places
from pinnace.request import RunRequest
from pinnace_core import console, output
from pinnace_core.errors import UsageError
from pinnace_core.host import HostFacts

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pinnace.context import Context
    from pinnace.gateway import Decision
    from pinnace.gateway.log import Entry

_PAUSE_SECONDS: Final = 0.3
_hosts = click.argument("hosts", nargs=-1, required=True, metavar="HOST...")
_everywhere = click.option("--everywhere", is_flag=True, help="For all projects, not only this.")


@group.cli.group("network", cls=output.Group)
def network_group() -> None:
    """Show and decide which hosts Claude reaches, where its isolation has a gateway."""


@network_group.command("show")
@output.json_option
def show_command(*, as_json: bool) -> int:
    """Show what is allowed in this project, and by whom.

    The first line that fits counts.
    """
    here = _context()
    rows = list(_rows(here))
    if as_json:
        return output.print_result({"isolation": here.config.level.name, "rules": rows})
    table = [(row["verdict"], row["destination"], row["source"]) for row in rows]
    for line in output.aligned([*table, ("refused", "all else", "default")]):
        output.say(line)
    for file in here.config.pending:
        if "network.allow" in file.values:
            console.stderr(f"pinnace: {file.note}; see them: pinnace trust")
    level = here.config.level
    if level.network:
        console.stderr(
            f"pinnace: isolation is {level.name} here: Claude reaches all that this machine does"
        )
    elif level.sealed:
        console.stderr(f"pinnace: isolation is {level.name} here: nothing else is reached")
    return 0


@network_group.command("allow")
@_hosts
@click.option("--for", "lasts", default="", metavar="TIME", help="90s, 10m, 2h or 1d, then not.")
@_everywhere
def allow_command(hosts: tuple[str, ...], lasts: str, *, everywhere: bool) -> int:
    """Let HOST through: example.com, *.example.com, example.com:8443, or a group.

    Groups: github; and apt, cargo, go, npm, pip: the hosts that these load from, as their
    configuration here and in the image says.

    It counts at once, also for what runs.
    """
    return _decide(hosts, allowed=True, lasts=lasts, everywhere=everywhere)


@network_group.command("deny")
@_hosts
@_everywhere
def deny_command(hosts: tuple[str, ...], *, everywhere: bool) -> int:
    """Do not let HOST through, whatever settings say.

    It counts at once, also for what runs: all open connections are ended, and made anew if allowed.
    """
    return _decide(hosts, allowed=False, lasts="", everywhere=everywhere)


@network_group.command("log")
@click.option("-f", "--follow", is_flag=True, help="Go on as there is more.")
@click.option("--refused", is_flag=True, help="Only what was refused.")
@click.option(
    "--own", is_flag=True, help="Also refused telemetry and updates, which Claude Code asks for."
)
@click.option("--all", "everywhere", is_flag=True, help="Of all projects.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
def log_command(*, follow: bool, refused: bool, own: bool, everywhere: bool, as_json: bool) -> int:
    """Print what this project's launches asked the gateway for.

    What Claude Code asks for by itself and goes on without, and was refused, is left out.
    """
    project = "" if everywhere else _context().project.source
    read: dict[Path, int] = {}
    while True:
        left_out = 0
        for entry in _news(project, read):
            if entry.is_quiet and entry.is_refused and not own:
                left_out += 1
            elif entry.is_refused or not refused:
                click.echo(json.dumps(_as_json(entry)) if as_json else _as_line(entry))
        if not follow:
            return _say_left_out(left_out)
        time.sleep(_PAUSE_SECONDS)


def _say_left_out(count: int) -> int:
    if count:
        console.stderr(
            f"pinnace: {count} more of Claude Code's own were refused (telemetry, updates): --own"
        )
    return 0


def _context() -> Context:
    return load_context(RunRequest(), HostFacts.detect())


def _rows(here: Context) -> Iterator[dict[str, Any]]:
    settings = _of_settings(here)
    decisions = [] if here.config.level.sealed else rules.load()
    own = rules.of_project(decisions, here.project.source, time.time())
    lasting: set[str] = set()
    for rule, source in (*((one.rule, _source(one)) for one in own), *settings.items()):
        name = str(rule)
        # Behind one that lasts, another about the same never counts.
        if name not in lasting:
            yield {
                "destination": name,
                "verdict": "refused" if rule.until == DENIED else "allowed",
                "until": _moment(rule.until) if rule.until > 0 else None,
                "source": source,
            }
        if rule.until <= 0:
            lasting.add(name)


def _of_settings(here: Context) -> dict[Rule, str]:
    """Return what settings and the level let through, and which of them does."""
    level, known = here.config.level, _registries(here.facts)
    clouds = (Rule(*one) for one in cloud_hosts.hosts(here.facts.environment))
    found = dict.fromkeys(clouds, "the cloud provider in use")
    if level.sealed:
        return found
    settings = here.config.settings
    named, source = settings.allow, here.config.values["network.allow"].source
    hosts = [] if level.network else headers.named(settings.headers)
    found |= dict.fromkeys(map(Rule, hosts), "network.headers")
    own = dict.fromkeys(rules.of_settings(level.allow, known), f"isolation {level.name}")
    return found | own | dict.fromkeys(rules.of_settings(named, known), source)


def _source(decision: Decision) -> str:
    rule, where = decision.rule, "this project" if decision.project else "all projects"
    return f"{where}, until {_moment(rule.until)}" if rule.until > 0 else where


def _registries(facts: HostFacts) -> dict[str, list[tuple[str, int]]]:
    return registries.known(facts, registries.asked())


def _decide(hosts: tuple[str, ...], *, allowed: bool, lasts: str, everywhere: bool) -> int:
    here = _context()
    facts, project = here.facts, "" if everywhere else here.project.source
    known = _registries(facts)
    new = rules.new(hosts, known, allowed=allowed, lasts=lasts, project=project)
    for name in hosts:
        if name in registries.MANAGERS and not known[name]:
            raise UsageError(
                f"nothing here says what {name} loads from",
                hint=f"name the host, or launch once with it: pinnace run --allow {name}",
            )
    noting.note_rules(here, [decision.rule for decision in new], project, allowed=allowed)
    decisions = rules.change(lambda known: rules.decided(known, new, now=time.time()))
    count = running.let_count(decisions, gateway_places(facts))
    verb = "allowed" if allowed else "refused"
    where = "in all projects" if everywhere else "in this project"
    for decision in new:
        until = f", until {_moment(decision.rule.until)}" if decision.rule.until > 0 else ""
        output.say(f"{decision.rule} is {verb} {where}{until}")
    if count:
        console.stderr("pinnace: it counts at once in what runs")
    if not (allowed or everywhere):
        _say_left({decision.rule.host for decision in new})
    return 0


def _say_left(names: set[str]) -> None:
    """Say which other ports of hosts that were refused are still let through."""
    rows = [row for row in _rows(_context()) if row["verdict"] == "allowed"]
    for name in (row["destination"] for row in rows):
        if name.partition(":")[0] in names:
            console.stderr(f"pinnace: {name} is still allowed; pinnace network deny {name}")


def _news(project: str, read: dict[Path, int]) -> list[Entry]:
    """Return what was written since the last time, in the order of time."""
    found: list[Entry] = []
    for logs in running.logs_of(project):
        size = log.size(logs)
        if size != read.get(logs):
            found += log.entries(logs, after=read.get(logs, 0), earlier=logs not in read)
            read[logs] = size
    return sorted(found)


def _as_json(entry: Entry) -> dict[str, object]:
    when = datetime.fromtimestamp(entry.when, UTC).isoformat(timespec="milliseconds")
    return {**entry._asdict(), "when": when, "refused": entry.is_refused, "own": entry.is_quiet}


def _as_line(entry: Entry) -> str:
    verdict = "refused" if entry.is_refused else str(entry.status)
    port = f"{entry.host}:{entry.port}"
    return f"{_moment(entry.when)}  {verdict:<8} {port:<40} {entry.launch or '-'}"


def _moment(seconds: float) -> str:
    return datetime.fromtimestamp(seconds).astimezone().strftime("%Y-%m-%d %H:%M:%S")
