"""Keeping the lock, with an npm that does as it is told."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pinnace_builder import lock, npm
from pinnace_builder.cli import cli, images
from pinnace_core import output
from pinnace_core.errors import BadLockError, UnknownVersionError, VerificationFailedError
from pinnace_images import lock as locks
from pinnace_images.lock import LockEntry, Package
from pinnace_images.platforms import Platform
from pinnace_images.versions import CliVersion, Specifier

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import FakeNpm

_PACKAGE = Package("any", "any", "cli", "sha512-good", "ab", 7, "cli.js", "cd")
_ENTRIES = [LockEntry(CliVersion(2, 1, patch), (_PACKAGE,)) for patch in (1, 2)]
_PUBLISHED = ["2.1.1", "2.1.2", "2.1.10", "2.2.0", "2.3.0-beta.1"]


def _chosen(since: str | None = None, newer_than: str | None = None) -> list[str]:
    chosen = lock.choose(
        [],
        since=CliVersion.parse(since) if since else None,
        newer_than=CliVersion.parse(newer_than) if newer_than else None,
    )
    return [str(version) for version in chosen]


def test_since_takes_all_from_a_version_on(fake_npm: FakeNpm) -> None:
    fake_npm.will(_PUBLISHED)

    assert _chosen(since="2.1.2") == ["2.1.2", "2.1.10", "2.2.0"]


def test_an_update_takes_what_is_newer_than_the_lock(fake_npm: FakeNpm) -> None:
    fake_npm.will(_PUBLISHED)

    assert _chosen(newer_than="2.1.10") == ["2.2.0"]
    assert _chosen(newer_than="2.2.0") == []


@pytest.mark.parametrize(("channel", "version"), [("latest", "2.2.0"), ("stable", "2.1.10")])
def test_a_channel_is_what_the_registry_says(fake_npm: FakeNpm, channel: str, version: str) -> None:
    fake_npm.will({"latest": "2.2.0", "stable": "2.1.10"})

    assert str(lock.newest(Specifier.parse(channel))) == version


def test_a_channel_that_the_registry_lacks_is_refused_with_those_it_has(fake_npm: FakeNpm) -> None:
    fake_npm.will({"latest": "2.2.0"})

    with pytest.raises(UnknownVersionError, match="'stable'") as caught:
        lock.newest(Specifier.parse("stable"))

    assert "latest" in caught.value.hint


def test_a_lock_that_the_registry_agrees_with_is_counted(fake_npm: FakeNpm) -> None:
    fake_npm.will({"name": "cli", "dist.integrity": "sha512-good"})

    assert lock.check_published(_ENTRIES) == 2


def test_another_digest_in_the_registry_is_a_failed_verification(fake_npm: FakeNpm) -> None:
    fake_npm.will({"name": "cli", "dist.integrity": "sha512-evil"})

    with pytest.raises(VerificationFailedError, match=r"cli 2\.1\.[12]"):
        lock.check_published(_ENTRIES)


def test_a_version_that_was_taken_back_is_told(
    fake_npm: FakeNpm, capsys: pytest.CaptureFixture[str]
) -> None:
    fake_npm.fails("E404")

    with pytest.raises(UnknownVersionError):
        lock.check_published(_ENTRIES)

    assert "cli@2.1.1" in capsys.readouterr().err, "all but the last one are said on the way"


def test_a_deprecated_version_is_said_and_accepted(
    fake_npm: FakeNpm, capsys: pytest.CaptureFixture[str]
) -> None:
    fake_npm.will({"dist.integrity": "sha512-good", "deprecated": "use another"})

    assert lock.check_published(_ENTRIES) == 2
    assert "is deprecated: use another" in capsys.readouterr().err


_LOCKED = Package(
    "any", "any", lock.MAIN_PACKAGE, f"sha512-{'A' * 86}==", "ab" * 32, 7, "cli.js", "cd" * 32
)


def _lock_once(path: Path, package: Package = _LOCKED, *, replace: bool = False) -> None:
    lock.save(path, [LockEntry(CliVersion(2, 1, 1), (package,))], replace=replace)


def test_a_locked_digest_never_changes_by_itself(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "claude.lock.json"
    _lock_once(path)
    before = path.read_bytes()
    other = _LOCKED._replace(sha256="ef" * 32)

    with pytest.raises(VerificationFailedError, match="holds other digests") as caught:
        _lock_once(path, other)

    assert path.read_bytes() == before
    assert "--replace" in caught.value.hint
    said = capsys.readouterr().err
    assert f"sha256 is locked as {'ab' * 32}, and would become {'ef' * 32}" in said
    _lock_once(path, other, replace=True)
    assert locks.load(path).entries[CliVersion(2, 1, 1)].packages == (other,)


def test_what_is_locked_already_is_locked_again_in_silence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for _ in range(2):
        _lock_once(tmp_path / "claude.lock.json")

    assert capsys.readouterr().err == ""


def test_the_newest_is_the_newest_that_there_is_for_the_platform(fake_npm: FakeNpm) -> None:
    platform = Platform.parse("linux/amd64")
    fake_npm.will(["2.1.200", "2.2.0", "2.2.1"])
    fake_npm.will_of(f"view {lock.MAIN_PACKAGE}-linux-x64", ["2.1.200", "2.2.0"])

    assert str(lock.newest(Specifier.parse(">=2.1"), platform)) == "2.2.0"
    with pytest.raises(UnknownVersionError, match="for linux/amd64"):
        lock.newest(Specifier.parse(">2.2.0"), platform)


def test_a_channel_that_is_ahead_of_the_platform_means_the_newest_before_it(
    fake_npm: FakeNpm, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake_npm.will(["2.1.200", "2.2.0", "2.2.1", "2.3.0"])
    fake_npm.will_of(f"view {lock.MAIN_PACKAGE}-linux-x64", ["2.1.200", "2.2.0", "2.3.0"])
    monkeypatch.setattr(npm, "tags", lambda _: {"latest": "2.2.1"})

    assert str(lock.newest(Specifier.parse("latest"), Platform.parse("linux/amd64"))) == "2.2.0"


@pytest.mark.parametrize("installed", [False, True])
def test_all_that_counts_here_is_compared(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    *,
    installed: bool,
) -> None:
    own = tmp_path / "own.json"
    _lock_once(own)
    compared: list[LockEntry] = []
    monkeypatch.setattr(locks, "user_lock", lambda: own)
    monkeypatch.setattr(images, "checkout", lambda: None if installed else tmp_path)

    def check(found: list[LockEntry]) -> int:
        compared.extend(found)
        return len(found)

    monkeypatch.setattr(images, "check_published", check)

    output.invoke(cli, "pinnace-build", ["lock", "--check"])

    versions = {entry.version for entry in compared}
    assert versions >= set(locks.load(locks.SHIPPED_LOCK).entries)
    assert (CliVersion(2, 1, 1) in versions) is installed


def test_where_nothing_is_locked_nothing_was_compared(tmp_path: Path) -> None:
    with pytest.raises(BadLockError, match="nothing is locked"):
        output.invoke(cli, "pinnace-build", ["lock", "--check", "--lock", str(tmp_path / "none")])
