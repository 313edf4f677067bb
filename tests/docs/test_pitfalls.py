"""Pages that name tests name those that exist."""

from __future__ import annotations

import re

import pytest

from tests.docs.markdown import ROOT


@pytest.mark.parametrize("name", ["pitfalls.md", "migrating-from-channelcoder.md"])
def test_every_test_that_is_named_exists(name: str) -> None:
    page = (ROOT / "docs" / name).read_text(encoding="utf-8")
    named = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", page)

    missing = [
        f"{path}::{name}"
        for path, name in named
        if not (ROOT / path).is_file()
        or not re.search(rf"^def {name}\(", (ROOT / path).read_text(encoding="utf-8"), re.MULTILINE)
    ]

    assert len(named) > 15
    assert missing == []
