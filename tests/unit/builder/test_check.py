"""`pinnace-build check`: what is rendered is compared with what a checkout keeps."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pinnace_builder import check
from pinnace_builder.cli import group, images
from pinnace_core import output
from pinnace_core.errors import CheckFailedError, UsageError

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch) -> None:
    """No checkout, and no linters."""
    monkeypatch.setattr(images, "checkout", lambda: None)
    monkeypatch.setattr(check, "linters", lambda _: [])


@pytest.mark.usefixtures("installed")
@pytest.mark.parametrize("arguments", [(), ("--write",)])
def test_without_a_checkout_a_directory_has_to_be_named(arguments: tuple[str, ...]) -> None:
    with pytest.raises(UsageError, match="no checkout") as caught:
        output.invoke(group.cli, "pinnace-build", ["check", *arguments])

    assert "--rendered" in caught.value.hint


@pytest.mark.usefixtures("installed")
def test_what_is_written_to_a_directory_agrees(tmp_path: Path) -> None:
    line = ["check", "--rendered", str(tmp_path)]
    with pytest.raises(CheckFailedError):
        output.invoke(group.cli, "pinnace-build", line)

    assert output.invoke(group.cli, "pinnace-build", [*line, "--write"]) is None
    assert output.invoke(group.cli, "pinnace-build", line) is None
