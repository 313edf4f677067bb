"""The verbs about images and what launches leave behind: `images`, `pull`, `verify` and `gc`."""

from __future__ import annotations

import sys
from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

import click

from pinnace import image as images
from pinnace import request as run_options
from pinnace.cleanup import plan, scan
from pinnace.cleanup.plan import Item
from pinnace.cli import group
from pinnace.context import load_context
from pinnace.image import claims, decide, verify
from pinnace.launch import records
from pinnace.plan.contributors import private_places, secrets
from pinnace_core import console, output
from pinnace_core.console import size_text
from pinnace_core.engine import suitable_facts
from pinnace_core.errors import ImageMissingError, UsageError
from pinnace_core.host import HostFacts
from pinnace_images import contract, lock
from pinnace_images.versions import is_exact

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from pinnace.context import Context
    from pinnace.image.decide import Candidate
    from pinnace_core.image import Image

_LAUNCH_OPTIONS: Final = click.option(
    "--variant", metavar="VARIANT", help="Another variant of the image than the usual one."
)
_NEWEST: Final = 3
_DAYS: Final = 30
_MOST_DAYS: Final = 36_500


def _context(variant: str | None, *arguments: str, version: str | None = None) -> Context:
    """Look around as a launch would; nothing is got unless `arguments` say so."""
    options = () if variant is None else ("--variant", variant)
    request = run_options.parse((*options, *arguments))
    return load_context(request._replace(claude_version=version), HostFacts.detect())


def _print_lines(lines: Iterable[str]) -> int:
    for line in lines:
        output.say(line)
    return 0


@group.cli.command("images")
@_LAUNCH_OPTIONS
@output.json_option
def images_command(variant: str | None, *, as_json: bool) -> int:
    """List the local images, and say why this project's launches take one or not."""
    context = _context(variant, "--dry-run")
    wanted = images.wanted(context)
    decision = decide.decide_image(context, wanted)
    candidates = decide.candidates(claims.listed(context.engine), decision)
    found = {
        "wanted": {
            "version": str(wanted.version),
            "variant": wanted.variant,
            "platform": wanted.platform,
        },
        "images": [_judged(one) for one in candidates],
    }
    return output.print_result(found) if as_json else _print_lines(_listed(found))


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
    version, created = claims.version_of(image), image.created
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
    version = chosen if chosen and is_exact(chosen) else None
    context = _context(variant, "--dry-run", version=version)
    suitable_facts(context.engine)
    image = _image(context, chosen)
    verify.verify(image, verify.directory(), context.engine, anew=True)
    locked = claims.version_of(image) in lock.load_known().entries
    found = _described(image)
    if as_json:
        sha256 = image.labels.get(contract.LABEL_SHA256, "")
        return output.print_result({**found, "sha256": sha256, "locked": locked})
    against = "its labels and the lock" if locked else "its labels; it is not locked"
    name = (found["tags"] or [found["id"]])[0]
    return _print_lines([f"{name}: Claude Code {found['version']}, as in {against}", found["id"]])


def _image(context: Context, chosen: str | None) -> Image:
    if chosen is None:
        decision = decide.decide_image(context, images.wanted(context))
        return images.require_present(context, decision)
    if is_exact(chosen):
        decision = decide.decide_plain(context, images.wanted(context))
        return images.require_present(context, decision)
    image = claims.local(context.engine, chosen)
    if image is None:
        raise ImageMissingError(f"there is no local image '{chosen}'", hint="see: pinnace images")
    return image


@group.cli.command("pull")
@click.argument("version", required=False)
@click.option(
    "--repository",
    metavar="REPOSITORY",
    help="Where it is published, instead of the configured one.",
)
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
    context = _context(variant, "--provision", version=version)
    found = _described(_pulled(context, repository, refresh=refresh))
    if as_json:
        return output.print_result(found)
    return _print_lines([found["tags"][0], found["id"]])


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


@group.cli.command("gc")
@click.option("--yes", "--apply", "yes", is_flag=True, help="Remove it, without asking.")
@click.option("--explain", is_flag=True, help="Also print what stays, and why.")
@click.option(
    "--days",
    default=_DAYS,
    show_default=True,
    type=click.IntRange(0, _MOST_DAYS),
    metavar="N",
    help="Images and downloads that were made or used since stay.",
)
@click.option(
    "--newest",
    default=_NEWEST,
    show_default=True,
    type=click.IntRange(min=0),
    metavar="N",
    help="So many versions of each variant stay.",
)
@output.json_option
def gc_command(*, yes: bool, explain: bool, days: int, newest: int, as_json: bool) -> int:
    """Print what launches have left behind; remove it if told to.

    Containers without a launcher, images and downloads that nobody needs, stale records. On a
    terminal it asks; elsewhere, nothing is removed without --yes. Versions that a project pins in
    which Claude was launched stay.
    """
    here = load_context(run_options.parse(()), HostFacts.detect())
    job = _Job(here, days=days, newest=newest)
    goes = job.plan()
    if not as_json:
        _print_table(goes, "goes", job.kept if explain else ())
    applied = bool(goes) and (yes or (not as_json and _agreed()))
    went = job.apply() if applied else goes
    if as_json:
        total = sum(item.size or 0 for item in went)
        gone = [asdict(item) for item in went]
        kept = {"kept": [asdict(item) for item in job.kept]} if explain else {}
        return output.print_result({"applied": applied, "size": total, "gone": gone, **kept})
    if applied:
        console.stderr(f"pinnace: removed {len(went)} of {len(goes)}")
    elif goes:
        console.stderr("pinnace: nothing was removed: --yes does it")
    return 0


class _Job:
    """What is decided once: what was shown is what is removed."""

    def __init__(self, here: Context, *, days: int, newest: int) -> None:
        self._facts, self._engine = here.facts, here.engine
        self._there = scan.read(here.facts, self._engine)
        self._own = plan.plan(self._there)
        self._pinned = scan.pinned(here.facts, self._there.containers)
        self._days, self._newest = days, newest
        self.kept: list[Item] = []

    def plan(self) -> list[Item]:
        """Return what goes."""
        return [*self._own, *self._images(apply=False)]

    def apply(self) -> list[Item]:
        """Remove it; images first, while those of containers that go are still held by them."""
        secrets.sweep(private_places(self._facts))
        # Before what tells of them goes.
        records.close_audit()
        return [*self._images(apply=True), *scan.remove(self._own, self._engine)]

    def _images(self, *, apply: bool) -> list[Item]:
        from pinnace.image import provision

        name, images = self._engine.name, self._engine.buildkit
        if not images and not apply:
            console.stderr(f"pinnace: images of {name} stay; to remove one: {name} image rm NAME")
        done = provision.collect_local(
            newest=self._newest,
            days=self._days,
            pinned=self._pinned,
            used=scan.last_used(self._there),
            images=images,
            apply=apply,
        )
        self.kept = [Item(one.scope, one.what, one.why, one.size, one.id) for one in done.kept]
        return [Item(one.scope, one.what, one.why, one.size, one.id) for one in done.gone]


def _agreed() -> bool:
    if sys.stdin is None or not sys.stdin.isatty():
        return False
    return click.confirm("Remove it?", err=True)


def _print_table(items: Sequence[Item], verb: str, kept: Sequence[Item]) -> None:
    stays = [("scope", "stays", "why")] + [(item.scope, item.what, item.why) for item in kept]
    for line in output.aligned(stays) if kept else ():
        output.say(line)
    if not items:
        output.say("nothing is left behind")
        return
    rows = [("scope", verb, "why", "size")]
    rows += [(item.scope, item.what, item.why, size_text(item.size)) for item in items]
    for line in output.aligned(rows):
        output.say(line)
    total = size_text(sum(item.size or 0 for item in items))
    output.say(f"total: {total} in {len(items)} thing{'' if len(items) == 1 else 's'}")
