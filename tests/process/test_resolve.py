"""Looking versions up, with an npm that does as it is told."""

from __future__ import annotations

import base64
import hashlib
import io
import tarfile
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

import pytest

from pinnace_builder import build
from pinnace_builder.lock import MAIN_PACKAGE, resolve
from pinnace_core.errors import UnknownVersionError
from pinnace_images import lock
from pinnace_images.platforms import SUPPORTED
from pinnace_images.versions import CliVersion

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.conftest import FakeNpm

_AMD64, _ARM64 = SUPPORTED
_VERSION: Final = CliVersion(2, 1, 120)
_GONE: Final = {"error": {"code": "E404", "summary": "Not Found"}}
_ALL: Final = ("linux-x64", "linux-x64-musl", "linux-arm64", "linux-arm64-musl")


def _tarball(name: str) -> bytes:
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w:gz") as archive:
        member = tarfile.TarInfo("package/claude")
        member.size = len(name)
        archive.addfile(member, io.BytesIO(name.encode()))
    return data.getvalue()


def _publish(npm: FakeNpm, packages: Sequence[str], *, age: timedelta) -> None:
    """Let the registry hold a version in these packages only."""
    moment = (datetime.now(UTC) - age).isoformat()
    npm.will(_GONE, code=1)
    main = f"{MAIN_PACKAGE}@{_VERSION}"
    npm.will_of(f"view {main}", {"name": "x", "time": {str(_VERSION): moment}, "bin": {}})
    for package in packages:
        spec = f"{MAIN_PACKAGE}-{package}@{_VERSION}"
        data = _tarball(package)
        integrity = f"sha512-{base64.b64encode(hashlib.sha512(data).digest()).decode()}"
        npm.will_of(f"view {spec}", {"name": "x", "dist.integrity": integrity})
        npm.will_of(f"pack {spec}", [], tarball=data)


def test_a_version_is_locked_for_every_platform_and_libc(fake_npm: FakeNpm) -> None:
    _publish(fake_npm, _ALL, age=timedelta())

    entry = resolve(_VERSION)

    targets = {(package.platform, package.libc) for package in entry.packages}
    assert targets == {(str(p), libc) for p in SUPPORTED for libc in (lock.GLIBC, lock.MUSL)}


def test_an_old_version_is_locked_for_what_it_was_published_for(fake_npm: FakeNpm) -> None:
    _publish(fake_npm, ("linux-x64", "linux-x64-musl"), age=timedelta(days=2))

    entry = resolve(_VERSION)

    assert entry.is_for(_AMD64)
    assert not entry.is_for(_ARM64)


def test_of_a_new_version_all_packages_are_waited_for(fake_npm: FakeNpm) -> None:
    _publish(fake_npm, ("linux-x64", "linux-x64-musl"), age=timedelta(hours=1))

    with pytest.raises(UnknownVersionError, match="linux-arm64"):
        resolve(_VERSION)


def test_a_version_without_any_package_does_not_exist(fake_npm: FakeNpm) -> None:
    _publish(fake_npm, (), age=timedelta(days=2))

    with pytest.raises(UnknownVersionError):
        resolve(_VERSION)


def test_an_image_of_several_platforms_is_made_for_those_that_there_are(fake_npm: FakeNpm) -> None:
    _publish(fake_npm, ("linux-x64",), age=timedelta(days=2))

    for _ in range(2):  # resolved, then locked
        entry = build.locked(_VERSION, platforms=SUPPORTED)
        assert [p for p in SUPPORTED if entry.is_for(p)] == [_AMD64]


def test_an_image_of_a_platform_that_was_never_published_is_refused(fake_npm: FakeNpm) -> None:
    _publish(fake_npm, ("linux-x64",), age=timedelta(days=2))
    build.locked(_VERSION, platforms=(_AMD64,))

    with pytest.raises(UnknownVersionError, match="never published"):
        build.locked(_VERSION, platforms=(_ARM64,))


@pytest.mark.parametrize("path", ["../../x", "/bin/sh", "cli.js; id"])
def test_a_cli_that_is_not_below_its_package_is_not_locked(fake_npm: FakeNpm, path: str) -> None:
    old = CliVersion(1, 0, 9)
    fake_npm.will(_GONE, code=1)
    fake_npm.will_of(
        f"view {MAIN_PACKAGE}@{old}", {"name": "x", "time": {}, "bin": {"claude": path}}
    )

    with pytest.raises(UnknownVersionError, match="has no 'claude'"):
        resolve(old)
