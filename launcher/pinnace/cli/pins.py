"""`pinnace pin`."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import click

from pinnace import pins, workspace
from pinnace.cli import complete
from pinnace.facts import HostFacts
from pinnace_images import lock
from pinnace_images.versions import Specifier


@click.command("pin")
@click.argument("specifier", metavar="VERSION", shell_complete=complete.versions)
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


COMMANDS: Final = (pin_command,)
