"""The verbs that lock versions, make local images, and see what both are made of."""

from __future__ import annotations

import os
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

import pinnace_images
from pinnace_builder import base, build, check, gateway, images_config, local
from pinnace_builder.check import checkout
from pinnace_builder.cli import group
from pinnace_builder.lock import add, check_published, choose
from pinnace_builder.pin import pin_base
from pinnace_builder.render import render
from pinnace_core import output
from pinnace_core.console import say
from pinnace_core.engine import of_builds
from pinnace_core.errors import BadLockError, CheckFailedError, UsageError, VerificationFailedError
from pinnace_images import lock
from pinnace_images.platforms import Platform
from pinnace_images.versions import CliVersion, Specifier

if TYPE_CHECKING:
    from pinnace_builder.images_config import Images
    from pinnace_builder.local import BuiltImage


RENDERED: Final = Path(pinnace_images.__file__).parents[1]


@group.cli.command("render")
@click.argument("version")
@group.variant_option
@group.platform_option("Default: all that are declared.")
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    help="Write the Dockerfile into this directory.",
)
@group.images_option
def render_command(
    version: str, variant: str, platforms: tuple[Platform, ...], out: Path | None, images: Images
) -> None:
    """Print the Dockerfile of VERSION, and what its build context holds."""
    request = build.request_for(
        group.version_of(version),
        variant=variant,
        platforms=platforms or images.platforms,
        images=images,
    )
    context = render(request)
    if out:
        local.write_dockerfile(context.dockerfile, out)
        click.echo(out / "Dockerfile")
        return
    click.echo(context.dockerfile)
    click.echo("# context:")
    click.echo("#   Dockerfile")
    for directory in dict.fromkeys(context.directories.values()):
        click.echo(f"#   {directory.name}/  {directory.package.name} {request.entry.version}")


@group.cli.command("build")
@click.argument("version")
@group.variant_option
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
@group.images_option
def build_command(version: str, variant: str, images: Images, *, as_json: bool) -> None:
    """Build the image of VERSION for this engine, and check it; nothing if it is there.

    PINNACE_BASE_REPOSITORY names a repository with published bases (publish --without-claude);
    the CLI is then all that is added here.
    """
    built = build.build(of_builds(), group.version_of(version), variant=variant, images=images)
    _print_built(built, as_json=as_json)


@group.cli.command("gateway")
@click.option("--accept", is_flag=True, help="Take the one that is there, whoever built it.")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
@group.images_option
def gateway_command(images: Images, *, accept: bool, as_json: bool) -> None:
    """Build the gateway's image for this engine, and check it; nothing if it is there.

    It holds programs only, no CLI: the way out of containers that have no network. As it gets your
    keys, one that was not built here does not count, until you accept it.
    """
    engine = of_builds()
    built = gateway.accept(engine) if accept else gateway.ensure(engine, images)
    _print_built(built, as_json=as_json)


def _print_built(built: BuiltImage, *, as_json: bool) -> None:
    if as_json:
        output.print_result(asdict(built))
        return
    say("built and checked" if built.built else "up to date")
    click.echo(built.tags[0])


@group.cli.command("base")
@group.platform_option("Default: the engine's own.")
@click.option("--bootstrap", is_flag=True, help="Do not try to pull it.")
@click.option("--refresh", is_flag=True, help="Make a bootstrapped base anew.")
@click.option("--pin", metavar="TAG", help="Write a tag's digests, and today, to images.toml.")
@group.images_option
def base_command(
    platforms: tuple[Platform, ...],
    pin: str | None,
    images: Images,
    *,
    bootstrap: bool,
    refresh: bool,
) -> None:
    """Provide the base image: pulled, or bootstrapped from the distribution's packages.

    PINNACE_BASE_MIRROR names a mirror once: a registry's prefix (registry.example/dockerhub), or,
    with a scheme, a mirror of the distribution (https://mirror.example/debian).
    """
    mirror = base.Mirror.from_environment(os.environ)
    if pin:
        if images.source == images_config.IMAGES and not check.checkout():
            raise UsageError(
                "the declaration of an installed Pinnace is not changed",
                hint="copy it, and name the copy: --images images.toml",
            )

        click.echo(pin_base(images, pin, mirror=mirror.images))
        return
    engine = of_builds()
    engine.connect()
    for platform in platforms or (Platform.of_machine(engine.machine()),):
        found = base.ensure(
            engine,
            images.base,
            platform,
            mirror=mirror,
            bootstrap_only=bootstrap,
            refresh=refresh,
        )
        say(f"base: {found.name} {found.digest}")
        click.echo(found.reference)


@group.cli.command("lock")
@click.argument("versions", nargs=-1)
@click.option("--since", metavar="VERSION", help="Also all published from this exact version on.")
@click.option("--update", is_flag=True, help="Also all published after the newest locked one.")
@click.option("--check", is_flag=True, help="Change nothing: compare with the registry.")
@click.option("--replace", is_flag=True, help="Let locked digests change; what does is shown.")
@click.option(
    "--lock",
    "path",
    type=click.Path(dir_okay=False, path_type=Path),
    help="The lock to use; default: this checkout's, or the user's own.",
)
def lock_command(  # noqa: PLR0913 (a command line's options)
    versions: tuple[str, ...],
    since: str | None,
    path: Path | None,
    *,
    update: bool,
    check: bool,
    replace: bool,
) -> None:
    """Resolve VERSIONS through npm and write them to the lock.

    A version is exact (2.1.330), a line (2.1), a range (>=2.1.300,<2.2 or ^2.1.300), or a channel
    ('latest'). With --check: all that is locked, or the locked VERSIONS.
    """
    specifiers = [Specifier.parse(text) for text in versions]
    if check:
        known = lock.load(path) if path else _default_known()
        count = check_published(_locked(known, specifiers))
        say(f"{count} packages are what the registry says")
        return
    target = path or default_lock()
    known = lock.load(target)
    if not (versions or since or update):
        raise UsageError("nothing to lock", hint="name a version, or use --since or --update")
    chosen = choose(
        specifiers,
        since=CliVersion.parse(since) if since else None,
        newer_than=known.newest if update else None,
    )
    add(target, chosen, replace=replace)
    if not chosen:
        say("nothing new is published")


def _locked(known: lock.Lock, specifiers: list[Specifier]) -> list[lock.LockEntry]:
    if not known.entries:
        raise BadLockError(
            "nothing is locked there", hint="lock a version: pinnace-build lock latest"
        )
    if not specifiers:
        return list(known.entries.values())
    found = [specifier.best(known.entries) for specifier in specifiers]
    if None in found:
        missing = specifiers[found.index(None)]
        raise BadLockError(f"'{missing}' is not locked", hint=f"run: pinnace-build lock {missing}")
    return [known.entries[version] for version in found if version is not None]


def _default_known() -> lock.Lock:
    """Return what is locked: of a checkout, what is reviewed there; elsewhere, all that counts."""
    return lock.load(lock.SHIPPED_LOCK) if checkout() else lock.load_known()


def default_lock() -> Path:
    """Return the lock that maintainers review in a checkout, elsewhere the user's own."""
    return lock.SHIPPED_LOCK if checkout() else lock.user_lock()


@group.cli.command("check")
@click.option(
    "--rendered",
    type=click.Path(file_okay=False, path_type=Path),
    help="The Dockerfiles that are kept for reading; in a checkout: its own.",
)
@click.option("--write", is_flag=True, help="Write them anew first.")
@group.images_option
def check_command(rendered: Path | None, images: Images, *, write: bool) -> None:
    """See that lock, images.toml, templates and rendered Dockerfiles agree, and lint the latter.

    hadolint and 'docker build --check' are used where they are installed. Sizes are checked when
    something is published: no tag moves to an image that is over its budget.
    """
    directory = rendered or (RENDERED if checkout() else None)
    if directory is None:
        raise UsageError(
            "there is no checkout of Pinnace here to compare with",
            hint="name a directory: --rendered DIRECTORY; with --write, they are made there first",
        )
    files = check.rendered(images, check.newest())
    if write:
        for path in check.write(files, directory):
            say(f"wrote '{path}'")
    problems = [
        *check.lock_problems(lock.SHIPPED_LOCK),
        *check.drift_problems(files, directory),
        *check.lint_problems(files),
    ]
    for problem in problems:
        say(problem)
    if problems:
        raise CheckFailedError(
            f"{len(problems)} problems",
            hint="mend them; 'pinnace-build check --write' renders anew",
        )
    linters = ", ".join(Path(command[0]).name for command in check.linters(directory)) or "none"
    say(f"{len(files)} Dockerfiles agree (linters: {linters})")


@group.cli.command("reproduce")
@click.argument("reference")
@group.platform_option("Default: all that it is for.")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
@group.images_option
def reproduce_command(
    reference: str, platforms: tuple[Platform, ...], images: Images, *, as_json: bool
) -> None:
    """Build the published image REFERENCE again, without a cache, and compare digests.

    REFERENCE is REPOSITORY:TAG or REPOSITORY@DIGEST of a manifest list.
    """
    from pinnace_builder.publish.reproduce import reproduce  # noqa: PLC0415 (slow to import)

    repository, name = _split(reference)
    compared = reproduce(repository, name, images=images, platforms=platforms)
    if as_json:
        output.print_result([{**asdict(one), "same": one.same} for one in compared])
    else:
        for one in compared:
            verdict = "the same" if one.same else f"differs: {one.rebuilt}"
            click.echo(f"{one.platform}  {one.published}  {verdict}")
    if not all(one.same for one in compared):
        raise VerificationFailedError(
            "another image came out", hint="compare the two with 'docker buildx imagetools inspect'"
        )


def _split(reference: str) -> tuple[str, str]:
    repository, at, digest = reference.partition("@")
    if at:
        return repository, digest
    repository, colon, tag = reference.rpartition(":")
    if not colon or "/" in tag:
        raise UsageError(
            f"'{reference}' has neither a tag nor a digest", hint="write it as HOST/NAME:TAG"
        )
    return repository, tag
