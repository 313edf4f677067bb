"""`pinnace images`, `pinnace verify`, `pinnace pull`."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

import click

from pinnace import image as images
from pinnace import request as run_options
from pinnace.cli import group
from pinnace.context import load_context
from pinnace.image import decide, verify
from pinnace_core import output
from pinnace_core.engine import suitable_facts
from pinnace_core.errors import ImageMissingError, PinnaceError, UsageError
from pinnace_core.host import HostFacts
from pinnace_images import contract, lock
from pinnace_images.versions import is_exact

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pinnace.context import Context
    from pinnace.image.decide import Candidate
    from pinnace_core.image import Image

_LAUNCH_OPTIONS: Final = click.option(
    "--variant", help="Of the image, if another one than usual is meant."
)


def _context(variant: str | None, *arguments: str, version: str | None = None) -> Context:
    """Look around as a launch would; nothing is got unless `arguments` say so."""
    options = () if variant is None else ("--variant", variant)
    request = run_options.parse((*options, *arguments))
    return load_context(request._replace(claude_version=version), HostFacts.detect())


def _answer(find: Callable[[], Any], *, as_json: bool, show: Callable[[Any], list[str]]) -> int:
    """Print what `find` gives: plain data, or lines of it."""
    try:
        found = find()
    except PinnaceError as error:
        if as_json:
            return output.print_error(error)
        raise
    if as_json:
        return output.print_result(found)
    for line in show(found):
        output.say(line)
    return 0


@group.cli.command("images")
@_LAUNCH_OPTIONS
@output.json_option
def images_command(variant: str | None, *, as_json: bool) -> int:
    """List the local images, and say why this project's launches take one or not."""

    def find() -> dict[str, Any]:
        context = _context(variant, "--dry-run")
        wanted = images.wanted(context)
        decision = decide.decide_image(context, wanted)
        candidates = decide.candidates(decide.listed(context.engine), decision)
        return {
            "wanted": {
                "version": str(wanted.version),
                "variant": wanted.variant,
                "platform": wanted.platform,
            },
            "images": [_judged(one) for one in candidates],
        }

    return _answer(find, as_json=as_json, show=lambda found: list(_listed(found)))


def _listed(found: dict[str, Any]) -> Iterator[str]:
    wanted = found["wanted"]
    yield f"wanted: Claude Code {wanted['version']} ({wanted['variant']}, {wanted['platform']})"
    for item in found["images"]:
        facts = [item["version"], item["variant"], item["platform"]]
        facts += [f"{item['size'] / 1_000_000:.0f} MB", item["created"][:10]]
        facts += ["verified" if item["verified"] else "not verified"]
        yield f"{'*' if item['chosen'] else ' '} {(item['tags'] or [item['id']])[0]}"
        yield f"    {', '.join(fact for fact in facts if fact)}"
        yield f"    {'chosen' if item['chosen'] else 'not chosen'}: {item['reason']}"


def _judged(candidate: Candidate) -> dict[str, Any]:
    return {
        **_described(candidate.image),
        "verified": verify.is_verified(candidate.image, verify.directory()),
        "chosen": candidate.chosen,
        "reason": candidate.reason,
    }


def _described(image: Image) -> dict[str, Any]:
    """Return an image as plain data; `size` in bytes, `created` as ISO 8601."""
    version, created = decide.version_of(image), image.created
    if created.isdigit():
        created = datetime.fromtimestamp(int(created), UTC).isoformat()
    return {
        "id": image.id,
        "tags": list(image.tags),
        "version": str(version) if version else None,
        "variant": image.labels.get(contract.LABEL_VARIANT),
        "platform": image.labels.get(contract.LABEL_PLATFORM),
        "size": image.size,
        "created": created,
    }


@group.cli.command("verify")
@click.option("--image", "chosen", metavar="ID|NAME|VERSION", help="Which, if not this project's.")
@_LAUNCH_OPTIONS
@output.json_option
def verify_command(chosen: str | None, variant: str | None, *, as_json: bool) -> int:
    """Verify an image anew: run its CLI, and compare version and digest with labels and lock."""

    def find() -> dict[str, Any]:
        version = chosen if chosen and is_exact(chosen) else None
        context = _context(variant, "--dry-run", version=version)
        suitable_facts(context.engine)
        image = _image(context, chosen)
        verify.verify(image, verify.directory(), context.engine, anew=True)
        locked = decide.version_of(image) in lock.load_known().entries
        sha256 = image.labels.get(contract.LABEL_SHA256, "")
        return {**_described(image), "sha256": sha256, "locked": locked}

    def show(found: dict[str, Any]) -> list[str]:
        against = "its labels and the lock" if found["locked"] else "its labels; it is not locked"
        name = (found["tags"] or [found["id"]])[0]
        return [f"{name}: Claude Code {found['version']}, as in {against}", found["id"]]

    return _answer(find, as_json=as_json, show=show)


def _image(context: Context, chosen: str | None) -> Image:
    if chosen is None:
        decision = decide.decide_image(context, images.wanted(context))
        return images.require_present(context, decision)
    if is_exact(chosen):
        decision = decide.decide_plain(context, images.wanted(context))
        return images.require_present(context, decision)
    image = decide.local(context.engine, chosen)
    if image is None:
        raise ImageMissingError(f"there is no local image '{chosen}'", hint="see: pinnace images")
    return image


@group.cli.command("pull")
@click.argument("version", required=False)
@click.option("--repository", help="Where it is published, instead of the configured one.")
@click.option("--refresh", is_flag=True, help="Build the project's own image anew as well.")
@_LAUNCH_OPTIONS
@output.json_option
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
        context = _context(variant, "--provision", version=version)
        return _described(_pulled(context, repository, refresh=refresh))

    return _answer(find, as_json=as_json, show=lambda found: [found["tags"][0], found["id"]])


def _pulled(context: Context, repository: str | None, *, refresh: bool) -> Image:
    settings, wanted = context.config.settings, images.wanted(context)
    source = repository or settings.repository
    anew = refresh and bool(settings.packages or settings.dockerfile)
    if not source and not anew:
        raise UsageError(
            "no repository is configured to pull from",
            hint="set 'image.repository', or name one: pinnace pull --repository HOST/NAME",
        )
    suitable_facts(context.engine)
    image = images.pull_published(context, wanted, source) if source else None
    if image is not None and not anew:
        return image
    decision = decide.decide_image(context, wanted)
    return images.obtain(context, decision, refresh=True)
