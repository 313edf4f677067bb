"""The command `pinnace-build`."""

from __future__ import annotations

import json
import os
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Final

import click

import pinnace_images
from pinnace_builder import base, engine, execute, locking, resolve, spec
from pinnace_builder.progress import say
from pinnace_builder.render import render as render_context
from pinnace_images import contract, lock
from pinnace_images.errors import BadLockError, UsageError
from pinnace_images.platforms import Platform
from pinnace_images.report import guard
from pinnace_images.versions import CliVersion, Specifier

_PLATFORM: Final = click.option(
    "--platform", metavar="OS/ARCH", help="linux/amd64 or linux/arm64; default: the engine's own."
)
_VARIANT: Final = click.option("--variant", default=contract.DEFAULT_VARIANT, show_default=True)


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="pinnace", prog_name="pinnace-build")
def cli() -> None:
    """Build container images that pin an exact Claude Code CLI version."""


@cli.command("lock")
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
        count = locking.check(_locked(known, specifiers))
        say(f"{count} packages are what the registry says")
        return
    if not (versions or since or update):
        raise UsageError("nothing to lock", hint="name a version, or use --since or --update")
    chosen = locking.choose(
        specifiers,
        since=CliVersion.parse(since) if since else None,
        newer_than=known.newest if update else None,
    )
    locking.add(target, chosen)


def _locked(known: lock.Lock, specifiers: list[Specifier]) -> list[lock.LockEntry]:
    if not specifiers:
        return list(known.entries.values())
    found = [specifier.best(known.entries) for specifier in specifiers]
    if None in found:
        missing = specifiers[found.index(None)]
        raise BadLockError(f"'{missing}' is not locked", hint=f"run: pinnace-build lock {missing}")
    return [known.entries[version] for version in found if version is not None]


@cli.command("render")
@click.argument("version")
@_VARIANT
@_PLATFORM
def render_command(version: str, variant: str, platform: str | None) -> None:
    """Print the Dockerfile of VERSION, and what its build context holds."""
    client = engine.connect()
    request = execute.request_for(
        client, _version(version), variant=variant, platform=_platform(platform)
    )
    context = render_context(request)
    click.echo(context.dockerfile)
    click.echo("# context:")
    click.echo("#   Dockerfile")
    click.echo(f"#   {context.claude_directory}/  {request.package.name} {request.version}")
    click.echo(f"# build-id: {context.build_id}")


@cli.command("build")
@click.argument("version")
@_VARIANT
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
def build_command(version: str, variant: str, *, as_json: bool) -> None:
    """Build the image of VERSION for this engine, and check it; nothing if it is there."""
    built = execute.build(_version(version), variant=variant)
    if as_json:
        click.echo(json.dumps({"schema": 1, "ok": True, "result": asdict(built)}))
        return
    say("built and checked" if built.built else "up to date")
    click.echo(built.tags[0])


@cli.command("base")
@_PLATFORM
@click.option("--bootstrap", is_flag=True, help="Do not try to pull it.")
@click.option("--refresh", is_flag=True, help="Make a bootstrapped base anew.")
def base_command(platform: str | None, *, bootstrap: bool, refresh: bool) -> None:
    """Provide the base image: pulled, or bootstrapped from the distribution's packages.

    PINNACE_BASE_MIRROR names a mirror once: a registry's prefix (registry.example/dockerhub), or,
    with a scheme, a mirror of the distribution (https://mirror.example/debian).
    """
    client = engine.connect()
    found = base.ensure(
        client,
        spec.load().base,
        _platform(platform) or engine.native_platform(client),
        mirror=base.Mirror.from_environment(os.environ),
        bootstrap_only=bootstrap,
        refresh=refresh,
    )
    say(f"base: {found.name} {found.digest}")
    click.echo(found.reference)


def default_lock() -> Path:
    """Give the lock that maintainers review in a checkout, elsewhere the user's own."""
    checkout = Path(pinnace_images.__file__).parents[2]
    return lock.SHIPPED if (checkout / "pyproject.toml").is_file() else lock.user_lock_path()


def _version(text: str) -> CliVersion:
    specifier = Specifier.parse(text)
    return specifier.best(lock.load_known().entries) or resolve.newest(specifier)


def _platform(text: str | None) -> Platform | None:
    return Platform.parse(text) if text else None


def main() -> None:
    """Run the command; the exit code is documented in docs/exit-codes.md."""
    sys.exit(guard("pinnace-build", lambda: cli.main(standalone_mode=False)))


if __name__ == "__main__":
    main()
