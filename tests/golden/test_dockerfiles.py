"""Whole Dockerfiles: native for both platforms, and one of the time of Node."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import pytest

from pinnace_builder import spec
from pinnace_builder.render import Base, ImageRequest, render
from pinnace_images.contract import DEFAULT_VARIANT
from pinnace_images.lock import Package
from pinnace_images.platforms import Platform
from pinnace_images.versions import CliVersion

if TYPE_CHECKING:
    from collections.abc import Callable

_DIGEST: Final = f"sha256:{'ba5e' * 16}"
_BASE: Final = Base("debian:trixie-20260101-slim", f"debian@{_DIGEST}", _DIGEST)


def _package(platform: str, executable: str) -> Package:
    return Package(
        platform=platform,
        libc="any",
        name="claude",
        integrity="sha512-fixed",
        sha256="7a" * 32,
        size=1000,
        executable=executable,
        executable_sha256="c1" * 32,
    )


@pytest.mark.parametrize(
    ("platform", "version", "executable"),
    [
        ("linux/amd64", "2.1.330", "claude"),
        ("linux/arm64", "2.1.330", "claude"),
        ("linux/amd64", "1.0.128", "cli.js"),
    ],
)
def test_dockerfile_by_platform_and_era(
    platform: str, version: str, executable: str, golden: Callable[[str, str], None]
) -> None:
    request = ImageRequest(
        version=CliVersion.parse(version),
        variant=spec.load().variant(DEFAULT_VARIANT),
        platform=Platform.parse(platform),
        package=_package(platform, executable),
        base=_BASE,
    )

    golden(f"slim-{version}-{platform.replace('/', '-')}.Dockerfile", render(request).dockerfile)
