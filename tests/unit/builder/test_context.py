"""The build context: the same bytes, modes and times wherever it is written."""

from __future__ import annotations

import hashlib
import io
import os
import stat
import tarfile
from typing import TYPE_CHECKING, Final

import pytest

from pinnace_builder import packages
from pinnace_builder.build import stage
from pinnace_builder.local import write_dockerfile
from pinnace_builder.render import render
from pinnace_core.errors import CannotWriteError, VerificationFailedError
from pinnace_core.files import make_directory
from tests.unit.builder import recipes
from tests.unit.builder.recipes import AMD64, request

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pinnace_builder.render import ImageRequest

_CLI: Final = b"the cli"


def _cached(executable: str, content: bytes = _CLI) -> ImageRequest:
    """Put a package into the user's cache; give a request for it."""
    cache = make_directory(packages.cache_directory())
    place = cache / "x.tgz"
    with tarfile.open(place, "w:gz") as archive:
        for name in (executable, "LICENSE.md"):
            member = tarfile.TarInfo(f"package/{name}")
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    tarball = packages.sha256(place)
    locked = recipes.package(
        AMD64,
        executable=executable,
        integrity=packages.integrity(place),
        sha256=tarball,
        executable_sha256=hashlib.sha256(_CLI).hexdigest(),
    )
    place.rename(cache / f"{tarball}.tgz")
    entry = recipes.native(platforms=[], published=recipes.EARLIER)._replace(packages=(locked,))
    return request(entry, platforms=(AMD64,))


@pytest.fixture(params=[0o022, 0o077], ids=["umask 022", "umask 077"], autouse=True)
def _any_umask(request: pytest.FixtureRequest) -> Iterator[None]:
    before = os.umask(request.param)
    yield
    os.umask(before)


@pytest.fixture
def _no_space_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pinnace_builder.build._SPACE_NEEDED", 1)


@pytest.mark.usefixtures("_no_space_needed")
@pytest.mark.parametrize("executable", ["claude", "cli.js"])
def test_a_context_has_a_dockerfile_and_what_it_copies(tmp_path: Path, executable: str) -> None:
    asked = _cached(executable)
    context = render(asked)

    stage(asked, context, AMD64, tmp_path / "context")

    name = context.directories[AMD64].name
    assert f"COPY --link {name}/ /\n" in context.dockerfile
    assert {p.name for p in (tmp_path / "context").iterdir()} == {"Dockerfile", name}
    assert (tmp_path / "context/Dockerfile").read_text() == context.dockerfile
    root = tmp_path / "context" / name
    assert os.access(root / "opt/claude/bin/claude", os.X_OK)
    native = executable == "claude"
    cli = root / "opt/claude" / ("bin/claude" if native else "package/cli.js")
    assert cli.read_bytes() == _CLI


@pytest.mark.usefixtures("_no_space_needed")
@pytest.mark.parametrize("executable", ["claude", "cli.js"])
def test_everything_that_is_copied_has_one_time_and_may_be_read_by_all(
    tmp_path: Path, executable: str
) -> None:
    asked = _cached(executable)
    context = render(asked)

    stage(asked, context, AMD64, tmp_path / "context")

    root = tmp_path / "context" / context.directories[AMD64].name
    for path in (root, *root.rglob("*")):
        found = path.stat()
        # The CLI's own, not that of a later refresh.
        assert found.st_mtime_ns == recipes.EARLIER_EPOCH * 1_000_000_000, path
        expected = 0o755 if path.is_dir() or path.parent.name == "bin" else 0o644
        assert stat.S_IMODE(found.st_mode) == expected, path


@pytest.mark.usefixtures("_no_space_needed")
def test_another_cli_than_the_locked_one_is_refused(tmp_path: Path) -> None:
    asked = _cached("claude", b"another cli")

    with pytest.raises(VerificationFailedError):
        stage(asked, render(asked), AMD64, tmp_path / "context")


def test_a_disk_that_is_too_small_is_noticed_before_anything_is_unpacked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pinnace_builder.build._SPACE_NEEDED", 1 << 60)
    asked = _cached("claude")

    with pytest.raises(CannotWriteError):
        stage(asked, render(asked), AMD64, tmp_path / "context")

    assert list((tmp_path / "context").iterdir()) == []


def test_for_a_base_the_dockerfile_is_enough(tmp_path: Path) -> None:
    write_dockerfile(render(request()).dockerfile, tmp_path / "context")

    (only,) = (tmp_path / "context").iterdir()
    assert only.read_text() == render(request()).dockerfile
