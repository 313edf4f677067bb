"""Read a Dockerfile and what it copies, where somebody set traps."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from pinnace.image import build_context
from pinnace_core.errors import BadProjectImageError, CannotReadError

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def dockerfile(tmp_path: Path) -> Path:
    path = tmp_path / "Dockerfile"
    path.write_text("FROM pinnace\nCOPY . /x\n")
    return path


@pytest.mark.skipif(os.name == "nt", reason="there are none there")
@pytest.mark.parametrize("trap", ["pipe", "link to a device", "huge"])
def test_a_dockerignore_that_never_ends_does_not_hang_a_launch(dockerfile: Path, trap: str) -> None:
    path = dockerfile.with_name(".dockerignore")
    if trap == "pipe":
        os.mkfifo(path)
    elif trap == "huge":
        path.touch()
        os.truncate(path, 1 << 40)
    else:
        path.symlink_to("/dev/zero")

    with pytest.raises(CannotReadError, match="dockerignore"):
        build_context.read(dockerfile)


def test_a_huge_dockerfile_is_not_read_as_a_whole(dockerfile: Path) -> None:
    os.truncate(dockerfile, 1 << 40)

    with pytest.raises(BadProjectImageError, match="is no Dockerfile"):
        build_context.read(dockerfile)
