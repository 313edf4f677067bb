"""docs/pitfalls.md names tests that exist."""

from __future__ import annotations

import re

from tests.docs.markdown import ROOT


def test_every_test_that_is_named_exists() -> None:
    page = (ROOT / "docs" / "pitfalls.md").read_text(encoding="utf-8")
    named = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", page)

    missing = [
        f"{path}::{name}"
        for path, name in named
        if not (ROOT / path).is_file()
        or not re.search(rf"^def {name}\(", (ROOT / path).read_text(encoding="utf-8"), re.MULTILINE)
    ]

    assert len(named) > 15
    assert missing == []
