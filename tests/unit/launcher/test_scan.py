"""What is made of what containers wrote."""

from __future__ import annotations

import json
from pathlib import Path, PureWindowsPath
from typing import TYPE_CHECKING, Any

import pytest

from pinnace.cleanup import scan
from pinnace.config import pin
from pinnace_core import host
from tests.support import hosts

if TYPE_CHECKING:
    from pinnace_core.host import HostFacts


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

    monkeypatch.setattr(host, "directory", lambda _: tmp_path)
    monkeypatch.setattr(pin, "find", find)

    scan.pinned(hosts.linux(), ())

    assert asked == ["/srv/demo"]
