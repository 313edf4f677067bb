"""Decide a project's own image: pure, from what is added to what to a recipe with an identity."""

from __future__ import annotations

import hashlib
import json
import re
from typing import TYPE_CHECKING, Final

from pinnace_core.errors import BadProjectImageError
from pinnace_images import contract
from pinnace_images.recipe import Recipe

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pinnace.image.images import LocalImage
    from pinnace_images.recipe import ContextFile

# Changes when the same recipe is carried out in another way.
_SCHEMA: Final = 1
# Debian's policy, 5.6.1 and 5.6.12: https://www.debian.org/doc/debian-policy/ch-controlfields.html
_PACKAGE: Final = re.compile(r"([a-z0-9][a-z0-9+.-]+)(?:=[A-Za-z0-9.+~:-]+)?")


def packages(names: Sequence[str]) -> tuple[str, ...]:
    """Return packages sorted, each once.

    Raises:
        BadProjectImageError: one is no package's name, or is wanted in two versions.
    """
    found: dict[str, str] = {}
    for text in names:
        match = _PACKAGE.fullmatch(text)
        if match is None:
            raise BadProjectImageError(
                f"'{text[:80]}' is not the name of a Debian package",
                hint="write NAME or NAME=VERSION, as apt-get install takes it",
            )
        if found.setdefault(match[1], text) != text:
            raise BadProjectImageError(
                f"the package '{match[1]}' is wanted as '{found[match[1]]}' and as '{text}'",
                hint="name it once",
            )
    return tuple(sorted(found.values()))


def recipe(
    base: LocalImage,
    *,
    packages: tuple[str, ...],
    dockerfile: bytes = b"",
    root: str = "",
    files: tuple[ContextFile, ...] = (),
) -> Recipe:
    """Decide the image: another one as soon as anything that is in it is another.

    Args:
        base: that it stands on.
        packages: validated.
        dockerfile: its bytes, or nothing.
        root: the context's directory.
        files: of the context; where it lies does not matter.
    """
    content = {
        "schema": _SCHEMA,
        "contract": contract.CONTRACT_VERSION,
        "base": base.id,
        "packages": packages,
        "dockerfile": hashlib.sha256(dockerfile).hexdigest() if dockerfile else "",
        "files": files,
    }
    identity = hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
    variant = base.labels.get(contract.LABEL_VARIANT, "")
    name = contract.project_name(str(base.version), variant, identity)
    return Recipe(base.id, name, identity, packages, dockerfile, root, files)


def fits(image: LocalImage, wanted: Recipe) -> bool:
    """Return whether the image that has the recipe's name, which is short, is what it makes."""
    return image.labels.get(contract.LABEL_PROJECT) == wanted.identity
