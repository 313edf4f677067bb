"""Gateways with names of the tests' own: `python -m tests.support.gateways PREFIX IMAGES`.

It does what `pinnace-build gateway --json` does, in the developer's engine and beside their images.
"""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from pinnace_builder import gateway, images_config
from pinnace_core.engine.docker import Docker

if TYPE_CHECKING:
    from collections.abc import Sequence


class OwnNames(Docker):
    """Docker, where local names are below a prefix."""

    __slots__ = ("_prefix",)

    def __init__(self, prefix: str) -> None:
        super().__init__()
        self._prefix = f"{prefix}/"

    def local_name(self, name: str) -> str:
        return name if name.startswith(self._prefix) else f"{self._prefix}{name}"


def declare(path: Path, title: str, packages: Sequence[str] = ()) -> Path:
    """Declare the shipped images with another gateway; the title alone makes it another image."""
    shipped = images_config.load()
    text = images_config.IMAGES.read_text(encoding="utf-8")
    head, _, tail = text.partition("[gateway]")
    listed = json.dumps(list(packages or shipped.gateway.packages))
    rest = tail[tail.index("\n#") :]
    table = f'[gateway]\ntitle = "{title}"\npackages = {listed}\n'
    path.write_text(f"{head}{table}{rest}", encoding="utf-8")
    return path


def main(prefix: str, images: str) -> None:
    """Build it, or find it built; print what there is."""
    built = gateway.ensure(OwnNames(prefix), images_config.load(Path(images)))
    print(json.dumps(asdict(built)))  # noqa: T201 (its result)


if __name__ == "__main__":
    main(*sys.argv[1:])
