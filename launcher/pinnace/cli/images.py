"""`pinnace images`, `pinnace verify`, `pinnace pull`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import click

from pinnace import context
from pinnace import request as run_options
from pinnace.cli import group
from pinnace.image import images, inventory, published, selection, verify
from pinnace_core.errors import ImageMissingError, PinnaceError, UsageError
from pinnace_core.host import HostFacts
from pinnace_images import lock
from pinnace_images.versions import is_exact

if TYPE_CHECKING:
    from collections.abc import Callable

    from pinnace.context import Context
    from pinnace.image.images import LocalImage

_LAUNCH_OPTIONS: Final = click.option(
    "--variant", help="Of the image, if another one than usual is meant."
)


def _here(variant: str | None, *, version: str | None = None, provision: bool = False) -> Context:
    """Look around as a launch would; nothing is got unless `provision` says so."""
    request = run_options.parse(() if variant is None else ("--variant", variant))
    request = request._replace(claude_version=version, dry_run=not provision)
    return context.survey(request, HostFacts.detect())


def _answer(find: Callable[[], Any], *, as_json: bool, show: Callable[[Any], list[str]]) -> int:
    """Print what `find` gives: plain data, or lines of it."""
    try:
        found = find()
    except PinnaceError as error:
        if as_json:
            return group.print_error(error)
        raise
    if as_json:
        return group.print_result(found)
    for line in show(found):
        group.say(line)
    return 0


@click.command("images")
@_LAUNCH_OPTIONS
@group.json_option
def images_command(variant: str | None, *, as_json: bool) -> int:
    """List the local images, and say why this project's launches take one or not."""
    try:
        found = inventory.collect(_here(variant))
    except PinnaceError as error:
        if as_json:
            return group.print_error(error)
        raise
    if as_json:
        return group.print_result(found.as_json())
    wanted = found.wanted
    group.say(f"wanted: Claude Code {wanted.version} ({wanted.variant}, {wanted.platform})")
    for line in found.as_lines():
        group.say(line)
    return 0


@click.command("verify")
@click.option("--image", "chosen", metavar="ID|NAME|VERSION", help="Which, if not this project's.")
@_LAUNCH_OPTIONS
@group.json_option
def verify_command(chosen: str | None, variant: str | None, *, as_json: bool) -> int:
    """Verify an image anew: run its CLI, and compare version and digest with labels and lock."""

    def find() -> dict[str, Any]:
        here = _here(variant, version=chosen if chosen and is_exact(chosen) else None)
        image = _image(here, chosen)
        records = selection.records_directory()
        verify.verify(image, records, here.engine, anew=True)
        locked = image.version in lock.load_known().entries
        return {**inventory.described(image), "sha256": image.sha256, "locked": locked}

    def show(found: dict[str, Any]) -> list[str]:
        against = "its labels and the lock" if found["locked"] else "its labels; it is not locked"
        name = (found["tags"] or [found["id"]])[0]
        return [f"{name}: Claude Code {found['version']}, as in {against}", found["id"]]

    return _answer(find, as_json=as_json, show=show)


def _image(here: Context, chosen: str | None) -> LocalImage:
    if chosen is None:
        here.suitable()
        return here.image(here.wanted())
    if is_exact(chosen):
        return selection.local_image(here.engine, here.wanted(), provision=False)
    image = images.local(here.engine, chosen)
    if image is None:
        raise ImageMissingError(f"there is no local image '{chosen}'", hint="see: pinnace images")
    return image


@click.command("pull")
@click.argument("version", required=False)
@click.option("--repository", help="Where it is published, instead of the configured one.")
@click.option("--refresh", is_flag=True, help="Build the project's own image anew as well.")
@_LAUNCH_OPTIONS
@group.json_option
def pull_command(
    version: str | None,
    repository: str | None,
    variant: str | None,
    *,
    refresh: bool,
    as_json: bool,
) -> int:
    """Pull the pinned version, or VERSION, from the configured repository; verify it."""

    def find() -> dict[str, Any]:
        here = _here(variant, version=version, provision=True)
        return inventory.described(_pulled(here, repository, refresh=refresh))

    return _answer(find, as_json=as_json, show=lambda found: [found["tags"][0], found["id"]])


def _pulled(here: Context, repository: str | None, *, refresh: bool) -> LocalImage:
    settings, found, wanted = here.config.settings, here.engine, here.wanted()
    source = repository or settings.repository
    own = bool(settings.packages or settings.dockerfile)
    if not source and not (refresh and own):
        raise UsageError(
            "no repository is configured to pull from",
            hint="set 'image.repository', or name one: pinnace pull --repository HOST/NAME",
        )
    image = (
        published.take(found, wanted, source, selection.records_directory())
        if source
        else selection.local_image(found, wanted, provision=True)
    )
    if not (refresh and own):
        return image
    from pinnace.image import project_image

    selection.ensure_verified(found, image)
    image = project_image.own(found, image, settings, provision=True, refresh=True)
    selection.ensure_verified(found, image)
    return image


COMMANDS: Final = (images_command, verify_command, pull_command)
