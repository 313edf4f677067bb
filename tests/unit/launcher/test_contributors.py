"""Where what is private to one launch is kept."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from pinnace.plan.contributors import private_places
from tests.support import hosts

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.skipif(os.name == "nt", reason="modes mean nothing there")
@pytest.mark.parametrize(("mode", "taken"), [(0o700, True), (0o777, False), (0o770, False)])
def test_no_secret_lies_in_a_runtime_directory_that_others_may_write_to(
    tmp_path: Path, mode: int, *, taken: bool
) -> None:
    tmp_path.chmod(mode)
    environment = {"XDG_RUNTIME_DIR": str(tmp_path)}
    facts = hosts.linux(uid=tmp_path.stat().st_uid, environment=environment)

    assert (tmp_path / "pinnace" / "secrets" in private_places(facts)) == taken
