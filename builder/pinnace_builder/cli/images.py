"""The verbs that make local images, and show what they are made of."""

from __future__ import annotations

import os
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from pinnace_builder import base, build, check, images_config
from pinnace_builder import context as stage
from pinnace_builder.cli import group
from pinnace_builder.render import render
from pinnace_core.console import say
from pinnace_core.engine import of_builds
from pinnace_core.errors import UsageError
from pinnace_images.platforms import Platform

if TYPE_CHECKING:
    from pinnace_builder.images_config import Images


@click.command("render")
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
        stage.write_dockerfile(context, out)
        click.echo(out / "Dockerfile")
        return
    click.echo(context.dockerfile)
    click.echo("# context:")
    click.echo("#   Dockerfile")
    for directory in dict.fromkeys(context.directories.values()):
        click.echo(f"#   {directory.name}/  {directory.package.name} {request.entry.version}")


@click.command("build")
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
    if as_json:
        group.print_result(asdict(built))
        return
    say("built and checked" if built.built else "up to date")
    click.echo(built.tags[0])


@click.command("base")
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

        click.echo(images_config.pin_base(images, pin, mirror=mirror.images))
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


COMMANDS: Final = (render_command, build_command, base_command)
