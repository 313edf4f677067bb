"""`pinnace parallel`: what ends a whole list."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from pinnace import Pinnace
from pinnace.parallel import tasks
from pinnace.parallel.run import Plan, run
from pinnace_core.errors import CannotWriteError

if TYPE_CHECKING:
    from pathlib import Path


class Failing(Pinnace):
    """A box whose results cannot be kept."""

    async def map(self, *_: Any, **__: Any) -> Any:
        raise CannotWriteError("the disk is full")


def test_a_result_that_cannot_be_kept_is_the_error_itself(tmp_path: Path) -> None:
    found = tasks.read("list", b"a", directory="", is_contained=True)
    with pytest.raises(CannotWriteError, match="the disk is full"):
        run(Failing(tmp_path), Plan(found, tmp_path / "results", resume=False, options={}))
