"""Packages: hashed, and unpacked without trusting what is in them."""

from __future__ import annotations

import hashlib
import io
import os
import stat
import tarfile
from typing import TYPE_CHECKING, Final

import pytest

from pinnace_builder import packages
from pinnace_core.errors import (
    CannotWriteError,
    PinnaceError,
    UnknownVersionError,
    VerificationFailedError,
)
from pinnace_images.lock import Package
from pinnace_images.versions import CliVersion

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

_CLI: Final = b"the cli"
_VERSION: Final = CliVersion(2, 1, 330)


def _file(name: str, data: bytes = b"x", mode: int = 0o644) -> tuple[tarfile.TarInfo, bytes]:
    member = tarfile.TarInfo(name)
    member.size, member.mode = len(data), mode
    return member, data


def _special(name: str, kind: bytes, target: str = "") -> tuple[tarfile.TarInfo, bytes]:
    member = tarfile.TarInfo(name)
    member.type, member.linkname = kind, target
    return member, b""


_NATIVE: Final = (_file("package/claude", _CLI), _file("package/README.md"))
_SCRIPT: Final = (_file("package/cli.js", _CLI), _file("package/vendor/rg", b"rg", 0o755))


def _pack(path: Path, members: Iterable[tuple[tarfile.TarInfo, bytes]]) -> Path:
    with tarfile.open(path, "w:gz") as archive:
        for member, data in members:
            archive.addfile(member, io.BytesIO(data))
    return path


def _package(executable: str, content: bytes = _CLI, tarball: Path | None = None) -> Package:
    return Package(
        platform="any",
        libc="any",
        name="claude",
        integrity=packages.integrity(tarball) if tarball else "",
        sha256=packages.sha256(tarball) if tarball else "",
        size=1,
        executable=executable,
        executable_sha256=hashlib.sha256(content).hexdigest(),
    )


def _tree(root: Path) -> dict[str, str]:
    """Return paths and modes below `root`."""
    return {
        str(path.relative_to(root)): stat.filemode(path.lstat().st_mode)
        for path in sorted(root.rglob("*"))
    }


@pytest.fixture(params=[0o022, 0o077, 0o000], ids=["umask 022", "umask 077", "umask 0"])
def _any_umask(request: pytest.FixtureRequest) -> Iterable[None]:
    before = os.umask(request.param)
    yield
    os.umask(before)


def test_a_file_is_hashed_as_npm_does(tmp_path: Path) -> None:
    (tmp_path / "empty").touch()

    digest = (
        "z4PhNX7vuL3xVChQ1m2AB9Yg5AULVxXcg/SpIdNs6c5H0NE8XYXysP+DGNKHfuwvY7kxvUdBeoGlODJ6+SfaPg=="
    )
    assert packages.integrity(tmp_path / "empty") == f"sha512-{digest}"


@pytest.mark.usefixtures("_any_umask")
@pytest.mark.parametrize("mode", [0o644, 0o755, 0o000, 0o4777], ids=oct)
def test_of_a_native_package_only_the_executable_is_taken(tmp_path: Path, mode: int) -> None:
    tarball = _pack(tmp_path / "x.tgz", [_file("package/claude", _CLI, mode), *_NATIVE[1:]])
    packages.unpack(tarball, _package("claude"), tmp_path / "into")

    assert _tree(tmp_path / "into") == {"bin": "drwxr-xr-x", "bin/claude": "-rwxr-xr-x"}
    assert (tmp_path / "into/bin/claude").read_bytes() == _CLI
    assert stat.S_IMODE((tmp_path / "into").stat().st_mode) == 0o755


@pytest.mark.usefixtures("_any_umask")
@pytest.mark.parametrize("mode", [0o644, 0o666, 0o600], ids=oct)
def test_a_script_package_stays_whole_and_gets_a_wrapper(tmp_path: Path, mode: int) -> None:
    tarball = _pack(tmp_path / "x.tgz", [_file("package/cli.js", _CLI, mode), *_SCRIPT[1:]])
    packages.unpack(tarball, _package("cli.js"), tmp_path / "into")

    assert _tree(tmp_path / "into") == {
        "bin": "drwxr-xr-x",
        "bin/claude": "-rwxr-xr-x",
        "package": "drwxr-xr-x",
        "package/cli.js": "-rw-r--r--",
        "package/vendor": "drwxr-xr-x",
        "package/vendor/rg": "-rwxr-xr-x",
    }
    wrapper = (tmp_path / "into/bin/claude").read_text()
    assert wrapper == '#!/bin/sh\nexec node /opt/claude/package/cli.js "$@"\n'


@pytest.mark.parametrize(
    "members",
    [
        [_file("../outside")],
        [_file("package/../../outside")],
        [_special("package/link", tarfile.SYMTYPE, "../../../outside")],
        [_special("package/link", tarfile.SYMTYPE, "/etc/passwd")],
        [_special("package/link", tarfile.SYMTYPE, "../.."), _file("package/link/outside")],
        [_special("package/link", tarfile.LNKTYPE, "../outside")],
        [_special("package/device", tarfile.CHRTYPE)],
        [_special("package/pipe", tarfile.FIFOTYPE)],
    ],
    ids=["..", "inner ..", "link up", "absolute link", "through link", "hard link", "dev", "fifo"],
)
def test_a_package_that_reaches_outside_is_refused(
    tmp_path: Path, members: list[tuple[tarfile.TarInfo, bytes]]
) -> None:
    tarball = _pack(tmp_path / "x.tgz", [*members, *_SCRIPT])

    with pytest.raises(VerificationFailedError):
        packages.unpack(tarball, _package("cli.js"), tmp_path / "a" / "into")

    assert not list(tmp_path.rglob("outside"))


def test_an_absolute_member_is_refused(tmp_path: Path) -> None:
    tarball = _pack(tmp_path / "x.tgz", [_file(f"{tmp_path}/outside"), *_SCRIPT])

    with pytest.raises(VerificationFailedError, match="no plain file of its own"):
        packages.unpack(tarball, _package("cli.js"), tmp_path / "into")

    assert not (tmp_path / "outside").exists()


@pytest.mark.parametrize(("members", "executable"), [(_NATIVE, "claude"), (_SCRIPT, "cli.js")])
def test_another_executable_than_the_locks_is_refused(
    tmp_path: Path, members: Iterable[tuple[tarfile.TarInfo, bytes]], executable: str
) -> None:
    tarball = _pack(tmp_path / "x.tgz", members)

    with pytest.raises(VerificationFailedError, match="is not what the lock says") as caught:
        packages.unpack(tarball, _package(executable, b"another cli"), tmp_path / "into")

    assert caught.value.exit_code == 79


@pytest.mark.parametrize("executable", ["claude", "cli.js"])
@pytest.mark.parametrize("kind", [None, tarfile.DIRTYPE, tarfile.SYMTYPE], ids=str)
def test_a_package_without_its_executable_is_refused(
    tmp_path: Path, executable: str, kind: bytes | None
) -> None:
    wrong = [_special(f"package/{executable}", kind, "missing")] if kind else []
    tarball = _pack(tmp_path / "x.tgz", [_file("package/other"), *wrong])

    refusal = (UnknownVersionError, VerificationFailedError)
    with pytest.raises(refusal, match=f"holds (no )?'(package/)?{executable}'"):
        packages.unpack(tarball, _package(executable), tmp_path / "into")


@pytest.mark.parametrize("executable", ["claude", "cli.js"])
@pytest.mark.parametrize("kept", [0, 10, 60], ids=["empty", "garbage", "half"])
def test_what_is_no_whole_tarball_is_refused(tmp_path: Path, executable: str, kept: int) -> None:
    tarball = _pack(tmp_path / "x.tgz", [*_NATIVE, *_SCRIPT])
    tarball.write_bytes(tarball.read_bytes()[:kept] if kept != 10 else b"not a tarball at all")

    with pytest.raises(PinnaceError):
        packages.unpack(tarball, _package(executable), tmp_path / "into")


def test_a_place_that_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    tarball = _pack(tmp_path / "x.tgz", _NATIVE)

    with pytest.raises(CannotWriteError):
        packages.unpack(tarball, _package("claude"), tarball / "into")


def test_a_package_in_the_cache_is_given_without_asking_npm(tmp_path: Path) -> None:
    package = _package("claude", tarball=_pack(tmp_path / "x.tgz", _NATIVE))
    cached = (tmp_path / "x.tgz").rename(tmp_path / f"{package.sha256}.tgz")

    assert packages.fetch(package, _VERSION, cache=tmp_path) == cached


def test_a_disk_that_is_too_small_is_an_error_before_anything_is_written(tmp_path: Path) -> None:
    packages.require_space(tmp_path, 1)

    with pytest.raises(CannotWriteError, match="MiB are needed"):
        packages.require_space(tmp_path, 1 << 60)
