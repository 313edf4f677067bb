"""The verbs besides a launch."""

from __future__ import annotations

import json
from pathlib import Path

import click

from pinnace import pins, status, workspace
from pinnace.facts import HostFacts
from pinnace_images import lock
from pinnace_images.errors import PinnaceError
from pinnace_images.versions import Specifier

_SCHEMA = 1
_PASS_THROUGH = {"ignore_unknown_options": True, "help_option_names": []}


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="pinnace", prog_name="pinnace")
def cli() -> None:
    """Launch Claude Code in a container that holds the project's pinned version.

    Without a verb: run Claude interactively in the current project, as 'pinnace run' does.
    """


@cli.command("run", context_settings=_PASS_THROUGH)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def run_command(arguments: tuple[str, ...]) -> int:
    """Run Claude: pinnace run [options] [-- CLAUDE_ARGS]."""
    from pinnace import launch, run_options

    return launch.run(run_options.parse(arguments), HostFacts.detect())


@cli.command("pin")
@click.argument("specifier", metavar="VERSION")
def pin_command(specifier: str) -> None:
    """Pin the project to VERSION.

    VERSION is exact (2.1.330), a line (2.1), a range (>=2.1.300,<2.2), or 'latest'.

    The exact version that it means is written to the project's .claude-version; if there is none,
    to a new one at its root.
    """
    facts = HostFacts.detect()
    wanted = Specifier.parse(specifier)
    known = lock.load_known().entries
    version = wanted.best(known) if wanted.text != "latest" else None
    if version is None:
        from pinnace import provision

        version = provision.newest(wanted)
        provision.require_published(version)
    root = workspace.find_root(Path(facts.cwd), home=Path(facts.home))
    path = pins.find_file(Path(facts.cwd), uid=facts.uid)
    if path is None or not path.is_relative_to(root):
        path = root / pins.PIN_FILE
    pins.write(path, version)
    click.echo(f"pinned {version} in {path}")


@cli.command("status")
@click.option("--json", "as_json", is_flag=True, help="Print JSON: schema, ok, result.")
def status_command(*, as_json: bool) -> int:
    """Tell the pin, the image and the engine.

    With the pin's source, and whether the image was verified.
    """
    try:
        found = status.collect(HostFacts.detect())
    except PinnaceError as error:
        return _fail_as_json(error) if as_json else _raise(error)
    problem = found.problem
    if as_json:
        envelope = {"schema": _SCHEMA, "ok": problem is None, "result": found.as_json()}
        click.echo(json.dumps(envelope | ({"error": _error(problem)} if problem else {})))
        return problem.exit_code if problem else 0
    for name, value in found.as_lines():
        click.echo(f"{name:<10} {value}")
    return _raise(problem) if problem else 0


def _raise(error: PinnaceError) -> int:
    raise error


def _fail_as_json(error: PinnaceError) -> int:
    click.echo(json.dumps({"schema": _SCHEMA, "ok": False, "error": _error(error)}))
    return error.exit_code


def _error(error: PinnaceError) -> dict[str, str | int]:
    return {
        "kind": type(error).__name__,
        "message": error.message,
        "hint": error.hint,
        "exit_code": error.exit_code,
    }
