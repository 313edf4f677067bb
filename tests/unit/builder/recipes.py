"""Recipes that tests of the builder share: small, fixed, and none of the shipped ones."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from typing import TYPE_CHECKING, Any, Final

from pinnace_builder.base import Base
from pinnace_builder.images_config import BaseSpec, GatewaySpec, VariantSpec
from pinnace_builder.render import ImageRequest
from pinnace_images.lock import ANY, GLIBC, MUSL, LockEntry, Package
from pinnace_images.platforms import SUPPORTED
from pinnace_images.versions import CliVersion

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from pinnace_images.platforms import Platform

AMD64, ARM64 = SUPPORTED
SLIM: Final = VariantSpec("slim", "Claude", ("git", "bash"), ("nodejs",), 75_000_000)
DEV: Final = VariantSpec("dev", "Claude, compilers", ("git", "bash", "nodejs"), (), 350_000_000)
LIST: Final = f"sha256:{'ba5e' * 16}"
BASE: Final = BaseSpec(
    name="debian",
    tag="trixie-20260101-slim",
    digest=LIST,
    suite="trixie",
    refreshed=date(2026, 1, 1),
    platforms={},
)
GATEWAY: Final = GatewaySpec(title="A way out", packages=["socat", "bash"])
REFRESHED: Final = 1_767_225_600
"""2026-01-01 in seconds since 1970."""
LATER: Final = "2026-02-03T04:05:06+00:00"
LATER_EPOCH: Final = 1_770_091_506
EARLIER: Final = "2025-02-03T04:05:06+00:00"
EARLIER_EPOCH: Final = 1_738_555_506
DISTRIBUTION: Final = f"sha256:{'d1' * 32}"
DISTRIBUTIONS: Final[Mapping[Platform, Base]] = {
    AMD64: Base("debian:trixie", f"debian@{DISTRIBUTION}", DISTRIBUTION),
    ARM64: Base("debian:trixie", f"debian@sha256:{'d2' * 32}", f"sha256:{'d2' * 32}"),
}


def package(platform: Platform | str, **fields: Any) -> Package:
    """Return a package of a native CLI; each platform's has digests of its own."""
    digit = {str(AMD64): "1", str(ARM64): "2"}.get(str(platform), "3")
    made = Package(
        platform=str(platform),
        libc=GLIBC,
        name=f"@anthropic-ai/claude-code-{str(platform).replace('/', '-')}",
        integrity=f"sha512-{'7' * 86}==",
        sha256=digit * 64,
        size=7,
        executable="claude",
        executable_sha256=digit * 63 + "e",
    )
    return made._replace(**fields)


def native(
    version: str = "2.1.330",
    *,
    published: str = LATER,
    platforms: Iterable[Platform] = SUPPORTED,
) -> LockEntry:
    """Return a version with an executable for each platform."""
    packages = tuple(package(p, libc=libc) for p in platforms for libc in (GLIBC, MUSL))
    return LockEntry(CliVersion.parse(version), packages, published)


def script(version: str = "1.0.128", *, published: str = EARLIER) -> LockEntry:
    """Return a version of the time of Node."""
    only = package(ANY, libc=ANY, executable="cli.js")
    return LockEntry(CliVersion.parse(version), (only,), published)


def request(
    entry: LockEntry | None = None,
    *,
    variant: VariantSpec = SLIM,
    platforms: tuple[Platform, ...] = SUPPORTED,
    base: BaseSpec = BASE,
) -> ImageRequest:
    """Return a request: the native CLI in the variant slim, if nothing else is said."""
    return ImageRequest(entry or native(), variant, platforms, base)


def based(**fields: Any) -> ImageRequest:
    """Return a request on another base."""
    return request(base=BASE.model_copy(update=fields))


def varied(**fields: Any) -> ImageRequest:
    """Return a request in another variant."""
    return request(variant=replace(SLIM, **fields))


def repacked(platform: Platform, **fields: Any) -> ImageRequest:
    """Return a request with another package for `platform`."""
    entry = native()
    changed = [
        p._replace(**fields) if (p.platform, p.libc) == (str(platform), GLIBC) else p
        for p in entry.packages
    ]
    return request(entry._replace(packages=tuple(changed)))
