"""What adds packages to an image, as a whole."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pinnace_builder.render import render_packages

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.mark.parametrize(
    ("name", "packages", "sealed"),
    [
        ("packages", ("jq=1.7.1-3", "tree"), True),
        ("packages-below-a-dockerfile", ("tree",), False),
        ("packages-none", (), True),
    ],
)
def test_the_dockerfile(
    golden: Callable[[str, str], None], name: str, packages: tuple[str, ...], *, sealed: bool
) -> None:
    golden(f"{name}.Dockerfile", render_packages(packages, sealed=sealed).decode())
