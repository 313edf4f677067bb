"""Where a base comes from, and how one is bootstrapped."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest

from pinnace_builder.base import (
    MIRROR_VARIABLE,
    Mirror,
    bootstrapped_tag,
    mmdebstrap_command,
    pinned_reference,
)
from pinnace_builder.spec import BaseSpec
from pinnace_images.platforms import SUPPORTED, Platform

if TYPE_CHECKING:
    from collections.abc import Callable

_DIGEST: Final = f"sha256:{'0a' * 32}"
_SPEC: Final = BaseSpec(name="debian", tag="trixie-20260101-slim", digest=_DIGEST, suite="trixie")
_ARCHIVE: Final = Path("/somewhere/base.tar")


@pytest.mark.parametrize(
    ("value", "mirror"),
    [
        ("", Mirror()),
        ("  ", Mirror()),
        ("/", Mirror()),
        ("registry.example", Mirror(images="registry.example")),
        ("registry.example:5000/hub", Mirror(images="registry.example:5000/hub")),
        ("registry.example/hub/", Mirror(images="registry.example/hub")),
        (" registry.example/hub ", Mirror(images="registry.example/hub")),
        ("https://mirror.example/debian", Mirror(packages="https://mirror.example/debian")),
        ("http://mirror.example/debian/", Mirror(packages="http://mirror.example/debian")),
        ("file:///srv/debian", Mirror(packages="file:///srv/debian")),
    ],
)
def test_a_mirror_with_a_scheme_is_for_packages_one_without_for_images(
    value: str, mirror: Mirror
) -> None:
    assert Mirror.from_environment({MIRROR_VARIABLE: value}) == mirror


def test_without_the_variable_there_is_no_mirror() -> None:
    assert Mirror.from_environment({}) == Mirror()


@pytest.mark.parametrize(
    ("mirror", "reference"),
    [
        (Mirror(), f"debian@{_DIGEST}"),
        (Mirror(images="registry.example/hub"), f"registry.example/hub/debian@{_DIGEST}"),
        (Mirror(packages="https://mirror.example/debian"), f"debian@{_DIGEST}"),
    ],
    ids=["no mirror", "images", "packages"],
)
def test_the_base_is_pulled_by_digest_never_by_tag(mirror: Mirror, reference: str) -> None:
    assert pinned_reference(_SPEC, mirror) == reference


@pytest.mark.parametrize("platform", SUPPORTED, ids=str)
def test_a_bootstrapped_base_has_a_name_of_its_own_per_platform(platform: Platform) -> None:
    # Under localhost/, so that no engine ever asks a registry for it.
    expected = f"localhost/pinnace/base:trixie-{platform.architecture}"

    assert bootstrapped_tag(_SPEC, platform) == expected


@pytest.mark.parametrize("platform", SUPPORTED, ids=str)
@pytest.mark.parametrize(
    ("mirror", "suffix"),
    [(Mirror(), ""), (Mirror(packages="https://mirror.example/debian"), "-mirror")],
    ids=["no mirror", "mirror"],
)
def test_bootstrapping_command(
    platform: Platform, mirror: Mirror, suffix: str, golden: Callable[[str, str], None]
) -> None:
    command = mmdebstrap_command(_SPEC, platform, mirror, _ARCHIVE)

    golden(f"mmdebstrap-{platform.architecture}{suffix}.txt", "\n".join(command) + "\n")


def test_a_mirror_of_images_is_not_asked_for_packages() -> None:
    amd64 = SUPPORTED[0]

    with_mirror = mmdebstrap_command(_SPEC, amd64, Mirror(images="registry.example"), _ARCHIVE)

    assert with_mirror == mmdebstrap_command(_SPEC, amd64, Mirror(), _ARCHIVE)
