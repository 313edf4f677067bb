"""What all of the verbs share."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from pinnace_builder import images_config
from pinnace_builder.lock import newest
from pinnace_core import output
from pinnace_core.engine import of_builds
from pinnace_images import contract, lock
from pinnace_images.platforms import Platform
from pinnace_images.versions import Specifier

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from pinnace_images.versions import CliVersion


@click.group(cls=output.Group, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(None, "-V", "--version", package_name="pinnace", prog_name="pinnace-build")
def cli() -> None:
    """Build and publish container images that pin an exact Claude Code CLI version."""


def variant_option(command: Callable[..., object]) -> Callable[..., object]:
    """Add `--variant`."""
    option = click.option("--variant", default=contract.DEFAULT_VARIANT, show_default=True)
    return option(command)


def images_option(command: Callable[..., object]) -> Callable[..., object]:
    """Add `--images`, given to the command as what the file declares."""
    option = click.option(
        "--images",
        envvar=images_config.VARIABLE,
        type=click.Path(dir_okay=False, path_type=Path),
        default=images_config.IMAGES,
        callback=lambda _context, _option, path: images_config.load(path),
        help="A declaration of your own instead of the shipped images.toml  "
        f"[{images_config.VARIABLE}]",
    )
    return option(command)


def platform_option(text: str) -> Callable[[Callable[..., object]], Callable[..., object]]:
    """Add `--platform`, which may be repeated or hold several, given as a tuple."""
    return click.option(
        "--platform",
        "platforms",
        multiple=True,
        metavar="OS/ARCH[,...]",
        callback=lambda _context, _option, values: platforms_of(values),
        help=text,
    )


def platforms_of(values: Iterable[str]) -> tuple[Platform, ...]:
    """Read platforms, each once, in order.

    Raises:
        UsageError: one of them is not supported.
    """
    names = [name for value in values for name in value.split(",")]
    return tuple(sorted({Platform.parse(name.strip()) for name in names}))


def native() -> tuple[Platform, ...]:
    """Return the engine's own platform."""
    engine = of_builds()
    engine.connect()
    return (Platform.of_machine(engine.machine()),)


def version_of(text: str) -> CliVersion:
    """Read a specifier: the newest locked version that fits, else the newest published one."""
    specifier = Specifier.parse(text)
    return specifier.best(lock.load_known().entries) or newest(specifier)
