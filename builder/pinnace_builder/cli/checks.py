"""The verbs that look and change nothing: `check` and `reproduce`."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

import pinnace_images
from pinnace_builder import check
from pinnace_builder.cli import group
from pinnace_core.console import say
from pinnace_core.errors import CheckFailedError, UsageError, VerificationFailedError
from pinnace_images import lock

if TYPE_CHECKING:
    from pinnace_builder.images_config import Images
    from pinnace_images.platforms import Platform

RENDERED: Final = Path(pinnace_images.__file__).parents[1]


@click.command("check")
@click.option(
    "--rendered",
    type=click.Path(file_okay=False, path_type=Path),
    help="The Dockerfiles that are kept for reading; default: this checkout's.",
)
@click.option("--write", is_flag=True, help="Write them anew first.")
@group.images_option
def check_command(rendered: Path | None, images: Images, *, write: bool) -> None:
    """See that lock, images.toml, templates and rendered Dockerfiles agree, and lint the latter.

    hadolint and 'docker build --check' are used where they are installed. Sizes are checked when
    something is published: no tag moves to an image that is over its budget.
    """
    directory = rendered or RENDERED
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
    say(f"{len(files)} variants agree (linters: {linters})")


@click.command("reproduce")
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
        group.print_result([{**asdict(one), "same": one.same} for one in compared])
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


COMMANDS: Final = (check_command, reproduce_command)
