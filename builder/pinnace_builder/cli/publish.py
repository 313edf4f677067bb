"""The verb `publish`."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click

from pinnace_builder import publish
from pinnace_builder.cli import group
from pinnace_builder.cli.images import default_lock
from pinnace_builder.publish.build_platform import COMPRESSION
from pinnace_builder.publish.provenance import Signer
from pinnace_builder.retention.policy import Policy, moment_of
from pinnace_core import output
from pinnace_core.console import say
from pinnace_core.engine.buildx import Cache
from pinnace_core.errors import UsageError
from pinnace_images import contract, lock
from pinnace_images.platforms import Platform
from pinnace_images.refs import RepositoryName

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pinnace_builder.images_config import Images
    from pinnace_builder.publish.execute import Published
    from pinnace_builder.publish.plan import Action
    from pinnace_images.versions import CliVersion


@group.cli.command("publish")
@click.argument("versions", nargs=-1)
@click.option(
    "--repository",
    required=True,
    envvar="PINNACE_REPOSITORY",
    metavar="HOST[:PORT]/NAME",
    help="The repository to publish to  [PINNACE_REPOSITORY].",
)
@click.option(
    "--variant",
    "variants",
    multiple=True,
    default=(contract.DEFAULT_VARIANT,),
    show_default=True,
    help="May be repeated, or hold several (slim,dev); 'all' for all of them.",
)
@group.platform_option("Default: all that are declared.")
@click.option(
    "--locked",
    is_flag=True,
    help="As well as VERSIONS, all of the lock that [retention] in images.toml keeps.",
)
@click.option("--without-claude", is_flag=True, help="Publish the bases only, without any CLI.")
@click.option(
    "--stage",
    is_flag=True,
    help="Push and verify these platforms only; a run without it joins them and moves tags.",
)
@click.option(
    "--frozen/--no-frozen",
    default=None,
    help="Only what is locked already; the default where CI is set.",
)
@click.option("--dry-run", is_flag=True, help="Print what would be done, of what is locked.")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
@click.option(
    "--compression",
    type=click.Choice(sorted(COMPRESSION)),
    default="zstd",
    show_default=True,
    help="Of layers; another one gives other digests.",
)
@click.option(
    "--cache",
    default="registry",
    show_default=True,
    metavar="BACKEND",
    callback=lambda _context, _option, text: Cache.parse(text),
    help="BuildKit's cache: registry (tags cache-... beside the images), none, gha, "
    "local,dir=DIRECTORY or s3,region=R,bucket=B.",
)
@click.option(
    "--builder",
    "builders",
    multiple=True,
    metavar="[OS/ARCH=]NAME",
    help="A builder of 'docker buildx', for all platforms or for one.",
)
@click.option(
    "--annotation",
    "annotations",
    multiple=True,
    metavar="KEY=VALUE",
    help="Of manifest lists; may be repeated.",
)
@click.option(
    "--channels/--no-channels",
    default=True,
    help="Also move tags named as npm's channels, such as 'stable'.",
)
@click.option("--attest/--no-attest", default=True, help="Add provenance and a bill of materials.")
@click.option("--sign", is_flag=True, help="Sign manifest lists with cosign.")
@click.option("--sign-key", default="", metavar="KEY", help="cosign's key; default: keyless.")
@click.option("--sign-offline", is_flag=True, help="Write no transparency log.")
@group.images_option
def publish_command(  # noqa: PLR0913 (a command line's options)
    *,
    versions: tuple[str, ...],
    repository: str,
    variants: tuple[str, ...],
    platforms: tuple[Platform, ...],
    cache: Cache,
    compression: str,
    builders: tuple[str, ...],
    annotations: tuple[str, ...],
    sign_key: str,
    images: Images,
    locked: bool,
    without_claude: bool,
    stage: bool,
    frozen: bool | None,
    dry_run: bool,
    as_json: bool,
    channels: bool,
    attest: bool,
    sign: bool,
    sign_offline: bool,
) -> None:
    """Build, push and verify images of VERSIONS for several platforms, and move their tags last.

    What the repository holds already is not built again. Whatever fails, no tag moves before all
    platforms of all images are there and verified; run the same line again to go on.
    """
    place = RepositoryName.parse(repository)
    there = platforms or images.platforms
    order = publish.Order(
        versions=_versions(
            versions, _locked(images, there) if locked else (), without_claude=without_claude
        ),
        variants=publish.require_variants(images, variants),
        platforms=there,
        repository=repository,
        images=images,
        bases_only=without_claude,
        stage_only=stage,
        channels=channels and not without_claude and not stage,
        compression=compression,
        cache=cache,
        builders=_builders(builders, there),
        frozen=_in_ci() if frozen is None else frozen,
        attesting=attest,
        annotations=dict(map(_pair, annotations)),
        signer=Signer.find(key=sign_key, offline=sign_offline, plain_http=place.plain)
        if sign or sign_key or sign_offline
        else None,
    )
    if dry_run:
        _print_actions(publish.preview(order), as_json=as_json)
    else:
        _print_published(publish.publish(order), repository, as_json=as_json)


def _in_ci() -> bool:
    return os.environ.get("CI", "").lower() not in {"", "0", "false"}


def _locked(images: Images, platforms: Sequence[Platform]) -> list[CliVersion]:
    """Return the lock's versions that `gc` would keep, and that there are for these platforms."""
    known = lock.load(default_lock()).entries
    kept = Policy.of(images.retention, datetime.now(UTC))
    return [
        version
        for version, entry in known.items()
        if any(map(entry.is_for, platforms))
        and (kept.version_stays(version, known) or kept.age_stays(moment_of(entry.published)))
    ]


def _versions(
    texts: Sequence[str], locked: Sequence[CliVersion], *, without_claude: bool
) -> list[CliVersion]:
    chosen = {group.version_of(text) for text in texts} | set(locked)
    newest = lock.load_known().newest
    if not chosen and without_claude and newest is not None:
        # Any will do: the base is the same for all CLIs of its kind.
        return [newest]
    if not chosen:
        raise UsageError(
            "no version is named", hint="name one (pinnace-build publish 2.1.330 ...), or --locked"
        )
    return sorted(chosen)


def _builders(values: Sequence[str], platforms: Sequence[Platform]) -> dict[Platform, str]:
    general = [value for value in values if "=" not in value]
    if len(general) > 1:
        raise UsageError(
            "several builders are named", hint="say which is for what: --builder linux/arm64=NAME"
        )
    chosen = dict.fromkeys(platforms, general[0]) if general else {}
    return chosen | {Platform.parse(p): name for p, name in map(_pair, set(values) - set(general))}


def _pair(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not (name and equals and value):
        raise UsageError(f"'{text}' is not of the form NAME=VALUE", hint="see --help")
    return name, value


def _print_actions(actions: Sequence[Action], *, as_json: bool) -> None:
    if as_json:
        described = [
            {"action": action.verb, "subject": action.subject, "tag": action.tag}
            for action in actions
        ]
        output.print_result(described)
        return
    for action in actions:
        click.echo(f"{action.verb:<6} {action.subject}  {action.tag}")
    if not actions:
        say("nothing to do")


def _print_published(published: Sequence[Published], repository: str, *, as_json: bool) -> None:
    if as_json:
        output.print_result([_described(one) for one in published])
        return
    for one in published:
        if not one.built and not one.moved:
            say(f"{one.release.tag} is up to date")
        click.echo(f"{repository}:{one.release.tag}@{one.digest}")


def _described(one: Published) -> dict[str, object]:
    return {
        "tag": one.release.tag,
        "version": str(one.release.version) if one.release.version else None,
        "digest": one.digest,
        "platforms": dict(one.platforms),
        "built": list(one.built),
        "moved": list(one.moved),
    }
