"""Whole Dockerfiles, for both platforms: of the variants as they are shipped, and of two eras."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from pinnace_builder import gateway, images_config
from pinnace_builder.render import render
from tests.unit.builder import recipes

if TYPE_CHECKING:
    from collections.abc import Callable

    from pinnace_images.lock import LockEntry


@pytest.mark.parametrize(
    ("variant", "entry"),
    [
        ("slim", recipes.native("2.1.330")),
        ("slim", recipes.script("1.0.128")),
        ("dev", recipes.native("2.1.330")),
    ],
    ids=["native", "node", "dev"],
)
def test_dockerfile_by_variant_and_era(
    variant: str, entry: LockEntry, golden: Callable[[str, str], None]
) -> None:
    shipped = images_config.load()
    # Not the shipped base: a refresh of it is no change of what is rendered.
    request = recipes.request(entry, variant=shipped.variant(variant), platforms=shipped.platforms)

    golden(f"{variant}-{entry.version}.Dockerfile", render(request).dockerfile)


def test_dockerfile_of_the_gateway(golden: Callable[[str, str], None]) -> None:
    images = replace(images_config.load(), base=recipes.BASE)

    golden("gateway.Dockerfile", gateway.rendered(images))
