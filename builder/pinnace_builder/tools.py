"""Lay out the tools of a project's own image: fetched through npm, verified, as they will be."""

from __future__ import annotations

import hashlib
import os
import tarfile
import zlib
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Final

from pinnace_builder import packages
from pinnace_core.errors import VerificationFailedError
from pinnace_core.files import cannot_write
from pinnace_images import refs
from pinnace_images.tools import PREFIX, TOOLS

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from pinnace_images.platforms import Platform
    from pinnace_images.tools import Part

# Any will do, if it is always the same: with it, BuildKit takes equal files for equal.
_EPOCH: Final = 1_000_000_000
_IN_PACKAGE: Final = "package/"
_SPACE_NEEDED: Final = 400 << 20


def directory(names: Sequence[str], platform: Platform) -> str:
    """Name the directory of the context that tools are laid out in, by their content."""
    parts = (part for name in names for part in TOOLS[name].parts)
    content = "".join(part.package_for(platform).sha256 for part in parts)
    return f"tools-{refs.short(hashlib.sha256(content.encode()).hexdigest())}"


def stage(names: Sequence[str], platform: Platform, context: Path) -> None:
    """Lay tools out in the directory of that name in a context.

    Raises:
        PinnaceError: of `packages.fetch`.
        VerificationFailedError: a package holds what does not belong there.
    """
    root = context / directory(names, platform)
    packages.require_space(context, _SPACE_NEEDED)
    for part in (part for name in names for part in TOOLS[name].parts):
        tarball = packages.fetch(part.package_for(platform), part.version)
        try:
            _lay_out(tarball, part, root / PREFIX.lstrip("/"))
        except OSError as error:
            raise cannot_write(root, error) from error
        except (tarfile.TarError, EOFError, zlib.error) as error:
            raise VerificationFailedError(
                f"the tarball '{tarball}' is damaged: {error}", hint="remove it, and try again"
            ) from error
    _settle(root)


def _lay_out(tarball: Path, part: Part, prefix: Path) -> None:
    for name, member, stream in packages.files(tarball):
        inside = name.removeprefix(_IN_PACKAGE)
        place = next((to for start, to in part.places.items() if inside.startswith(start)), None)
        if place is None:
            continue
        start = next(start for start in part.places if inside.startswith(start))
        target = prefix / PurePosixPath(place + inside.removeprefix(start))
        packages.copy(stream, target)
        target.chmod(0o755 if member.mode & 0o100 else 0o644)
    for place, to in part.links.items():
        link = prefix / place
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(to)


def _settle(root: Path) -> None:
    """Give all the same time and modes, whatever the umask: the layer is the same everywhere."""
    for path in (*sorted(root.rglob("*"), reverse=True), root):
        if path.is_dir() and not path.is_symlink():
            path.chmod(0o755)
        os.utime(path, (_EPOCH, _EPOCH), follow_symlinks=False)
