"""What is made of what containers wrote."""

from __future__ import annotations

import json
from pathlib import Path, PureWindowsPath
from typing import TYPE_CHECKING, Any

import pytest

from pinnace.pin import pins
from pinnace.running import leftovers
from pinnace_images import places
from tests.support import hosts

if TYPE_CHECKING:
    from pinnace.facts import HostFacts


@pytest.mark.parametrize("server", ["//evil.example/x", r"\\evil.example\x", r"/\evil.example\x"])
def test_a_project_that_a_container_names_makes_no_windows_log_in_to_a_server(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, server: str
) -> None:
    assert PureWindowsPath(server).is_absolute()
    state = tmp_path / "claude" / "default" / ".claude.json"
    state.parent.mkdir(parents=True)
    state.write_text(json.dumps({"projects": {server: {}, "/srv/demo": {}}}))
    asked: list[str] = []

    def find(facts: HostFacts, **_: Any) -> None:
        asked.append(facts.cwd)

    monkeypatch.setattr(places, "directory", lambda _: tmp_path)
    monkeypatch.setattr(pins, "find", find)

    leftovers.pinned(hosts.linux(), ())

    assert asked == ["/srv/demo"]
