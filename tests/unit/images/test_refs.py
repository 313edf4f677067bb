"""Names of published images."""

from __future__ import annotations

import re
from itertools import chain
from typing import Final

import pytest

from pinnace_images import refs
from pinnace_images.platforms import SUPPORTED
from pinnace_images.versions import CliVersion

_AMD64, _ARM64 = SUPPORTED
_VERSION: Final = CliVersion(2, 1, 330)
_ID: Final = "0123456789abcdef" * 4


def test_a_digest_is_shortened_with_and_without_its_algorithm() -> None:
    assert refs.short(_ID) == refs.short(f"sha256:{_ID}") == "0123456789ab"


def test_immutable_names_hold_what_decides_their_content() -> None:
    assert refs.platform_tag(_VERSION, "slim", _ARM64, _ID) == "2.1.330-slim-arm64-0123456789ab"
    assert refs.index_tag(_VERSION, "dev", _ID) == "2.1.330-dev-0123456789ab"
    assert refs.base_platform_tag("dev", _AMD64, _ID) == "base-dev-amd64-0123456789ab"
    assert refs.base_index_tag("slim-node", _ID) == "base-slim-node-0123456789ab"


def test_names_that_move_with_a_version() -> None:
    assert refs.base_tag("slim-node") == "base-slim-node"
    assert refs.version_tags(_VERSION, "slim") == ["2.1.330-slim", "2.1.330"]
    assert refs.version_tags(_VERSION, "dev") == ["2.1.330-dev"]
    assert refs.channel_tags("stable", "slim") == ["stable-slim", "stable"]
    assert refs.channel_tags("stable", "dev") == ["stable-dev"]


@pytest.mark.parametrize(
    ("version", "variant", "steps"),
    [
        ("2.1.330", "slim", ["2.1-slim", "2.1", "2-slim", "2", "latest-slim", "latest"]),
        ("2.1.330", "dev", ["2.1-dev", "2-dev", "latest-dev"]),
        ("0.2.9", "slim", ["0.2-slim", "0.2", "0-slim", "0", "latest-slim", "latest"]),
        ("10.20.30", "dev", ["10.20-dev", "10-dev", "latest-dev"]),
    ],
)
def test_the_ladder_from_the_finest_step_up(version: str, variant: str, steps: list[str]) -> None:
    assert refs.ladder_tags(CliVersion.parse(version), variant) == steps


def _all(version: CliVersion, variant: str) -> list[str]:
    return [
        *(refs.platform_tag(version, variant, platform, _ID) for platform in SUPPORTED),
        refs.index_tag(version, variant, _ID),
        *refs.version_tags(version, variant),
        *refs.ladder_tags(version, variant),
        *refs.channel_tags("stable", variant),
        *(refs.base_platform_tag(variant, platform, _ID) for platform in SUPPORTED),
        refs.base_index_tag(variant, _ID),
        refs.base_tag(variant),
    ]


def test_no_two_things_have_the_same_name() -> None:
    names = list(chain.from_iterable(_all(_VERSION, variant) for variant in ("slim", "dev")))

    assert len(set(names)) == len(names)


@pytest.mark.parametrize("version", [_VERSION, CliVersion(999_999, 999_999, 999_999)], ids=str)
@pytest.mark.parametrize("variant", ["slim", "a" * 40])
def test_every_name_is_one_that_a_registry_takes(version: CliVersion, variant: str) -> None:
    for name in _all(version, variant):
        assert re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}", name)


def test_another_content_is_another_immutable_name() -> None:
    other = "f" * 64

    for first, second in (
        (refs.index_tag(_VERSION, "slim", _ID), refs.index_tag(_VERSION, "slim", other)),
        (refs.base_index_tag("slim", _ID), refs.base_index_tag("slim", other)),
        (
            refs.platform_tag(_VERSION, "slim", _AMD64, _ID),
            refs.platform_tag(_VERSION, "slim", _AMD64, other),
        ),
        (
            refs.base_platform_tag("slim", _AMD64, _ID),
            refs.base_platform_tag("slim", _ARM64, _ID),
        ),
    ):
        assert first != second
