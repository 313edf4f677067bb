"""The verb `lock`."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import click

from pinnace_builder.check import checkout
from pinnace_builder.lock import add, check_published, choose
from pinnace_core.console import say
from pinnace_core.errors import BadLockError, UsageError
from pinnace_images import lock
from pinnace_images.versions import CliVersion, Specifier


@click.command("lock")
@click.argument("versions", nargs=-1)
@click.option("--since", metavar="VERSION", help="Also all published from this exact version on.")
@click.option("--update", is_flag=True, help="Also all published after the newest locked one.")
@click.option("--check", is_flag=True, help="Change nothing: compare with the registry.")
@click.option(
    "--lock",
    "path",
    type=click.Path(dir_okay=False, path_type=Path),
    help="The lock to use; default: this checkout's, or the user's own.",
)
def lock_command(
    versions: tuple[str, ...],
    since: str | None,
    path: Path | None,
    *,
    update: bool,
    check: bool,
) -> None:
    """Resolve VERSIONS through npm and write them to the lock.

    A version is exact (2.1.330), a line (2.1), a range (>=2.1.300,<2.2 or ^2.1.300), or a channel
    ('latest'). With --check: all that is locked, or the locked VERSIONS.
    """
    target = path or default_lock()
    known = lock.load(target)
    specifiers = [Specifier.parse(text) for text in versions]
    if check:
        count = check_published(_locked(known, specifiers))
        say(f"{count} packages are what the registry says")
        return
    if not (versions or since or update):
        raise UsageError("nothing to lock", hint="name a version, or use --since or --update")
    chosen = choose(
        specifiers,
        since=CliVersion.parse(since) if since else None,
        newer_than=known.newest if update else None,
    )
    add(target, chosen)
    if not chosen:
        say("nothing new is published")


def _locked(known: lock.Lock, specifiers: list[Specifier]) -> list[lock.LockEntry]:
    if not specifiers:
        return list(known.entries.values())
    found = [specifier.best(known.entries) for specifier in specifiers]
    if None in found:
        missing = specifiers[found.index(None)]
        raise BadLockError(f"'{missing}' is not locked", hint=f"run: pinnace-build lock {missing}")
    return [known.entries[version] for version in found if version is not None]


def default_lock() -> Path:
    """Return the lock that maintainers review in a checkout, elsewhere the user's own."""
    return lock.SHIPPED_LOCK if checkout() else lock.user_lock()


COMMANDS: Final = (lock_command,)
