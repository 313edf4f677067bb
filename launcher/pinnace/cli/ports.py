"""`pinnace port`: a running launch's ports, on this machine."""

from __future__ import annotations

import contextlib

import click

from pinnace.cli import complete, containers, group
from pinnace.launch import containers as launches
from pinnace_core import console, output


@group.cli.command("port")
@click.argument("port", metavar="[HERE:]PORT")
@click.argument("name", required=False, metavar="[NAME]", shell_complete=complete.containers)
def port_command(*, port: str, name: str | None) -> int:
    """Open a port of a running launch on this machine's loopback, until Ctrl-C.

    Of this project's only one, or the one named; also what listens inside on its loopback alone.
    """
    import asyncio

    from pinnace.launch import ports

    forward = ports.parse(port)
    here = group.context()
    chosen = containers.running_one(here.engine, name)
    with ports.listen(forward) as server:
        output.say(f"http://127.0.0.1:{forward.outside}")
        console.stderr(f"pinnace: leads to port {forward.inside} of {chosen.name}; Ctrl-C ends it")
        argv = ports.command(here.engine, chosen.id, forward)

        def run() -> int:
            with contextlib.suppress(KeyboardInterrupt):
                asyncio.run(ports.serve({server: argv}))
            return 0

        return launches.noted("port", chosen, (str(forward.inside),), here, run)
