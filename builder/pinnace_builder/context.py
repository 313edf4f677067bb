"""Write a build context: the Dockerfile, and the CLI's package laid out as in the image."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final

from pinnace_builder import packages
from pinnace_core.files import make_directory
from pinnace_images.contract import CLAUDE_ROOT

if TYPE_CHECKING:
    from pathlib import Path

    from pinnace_builder.render import BuildContext, ImageRequest
    from pinnace_images.platforms import Platform

# The executable, its tarball, and the engine's copy while it builds.
_SPACE_NEEDED: Final = 600 << 20


def stage(
    request: ImageRequest, context: BuildContext, platform: Platform, directory: Path
) -> None:
    """Write the context of one platform into `directory`.

    Raises:
        PinnaceError: of `fetch`.
    """
    make_directory(directory)
    chosen = context.directories[platform]
    tarball = packages.fetch(chosen.package, request.entry.version)
    packages.require_space(directory, _SPACE_NEEDED)
    root = directory / chosen.name
    packages.unpack(tarball, chosen.package, root / CLAUDE_ROOT.lstrip("/"))
    _set_times(root, request.cli_epoch)
    write_dockerfile(context, directory)


def write_dockerfile(context: BuildContext, directory: Path) -> None:
    """Write the Dockerfile alone: enough for a base."""
    make_directory(directory)
    (directory / "Dockerfile").write_bytes(context.dockerfile.encode())


def _set_times(root: Path, epoch: int) -> None:
    """Give every file the same time, so that the layer is the same wherever it is made."""
    for path in sorted(root.rglob("*"), reverse=True):
        os.utime(path, (epoch, epoch))
    for path in (root, *root.iterdir()):
        path.chmod(0o755)
        os.utime(path, (epoch, epoch))
