"""Which version of Claude a client brings that is called first, and left out."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from pinnace.shim import wrapped

if TYPE_CHECKING:
    from pathlib import Path


def _package(place: Path, **described: object) -> None:
    place.mkdir(parents=True)
    (place / "package.json").write_text(json.dumps(described))


def _program(place: Path) -> str:
    place.parent.mkdir(parents=True, exist_ok=True)
    place.touch()
    return str(place)


@pytest.mark.parametrize(
    ("described", "found"),
    [
        ({"name": "@anthropic-ai/claude-code", "version": "2.1.7"}, "2.1.7"),
        ({"name": "@anthropic-ai/claude-code-linux-x64", "version": "2.1.7"}, "2.1.7"),
        # The extension of VS Code.
        ({"name": "claude-code", "version": "2.1.7"}, "2.1.7"),
        ({"name": "claude-code", "version": "../../x"}, ""),
        ({"name": "claude-code"}, ""),
        ({"name": "somebodys-own", "version": "2.1.7"}, ""),
        ({"name": "@anthropic-ai/claude-agent-sdk", "version": "0.3.7"}, ""),
        (
            {
                "name": "@anthropic-ai/claude-agent-sdk",
                "version": "0.3.7",
                "claudeCodeVersion": "2.1.8",
            },
            "2.1.8",
        ),
        ({"name": 7, "version": "2.1.7"}, ""),
        ([], ""),
    ],
)
def test_a_package_around_it_says_so(tmp_path: Path, described: object, found: str) -> None:
    place = tmp_path / "package"
    place.mkdir()
    (place / "package.json").write_text(json.dumps(described))
    given = [_program(place / "resources" / "native-binary" / "claude"), "-p"]

    assert wrapped.without_binary(given) == ["-p"]
    assert wrapped.version_of(given, ["-p"]) == found


def test_the_sdk_beside_its_binary_says_so(tmp_path: Path) -> None:
    scope = tmp_path / "node_modules" / "@anthropic-ai"
    sdk = {"name": "@anthropic-ai/claude-agent-sdk", "claudeCodeVersion": "2.1.8"}
    _package(scope / "claude-agent-sdk", **sdk)
    _package(
        scope / "claude-agent-sdk-linux-x64",
        name="@anthropic-ai/claude-agent-sdk-linux-x64",
        version="0.3.7",
    )
    given = [_program(scope / "claude-agent-sdk-linux-x64" / "claude")]

    assert wrapped.version_of(given, []) == "2.1.8"


def test_nothing_says_so(tmp_path: Path) -> None:
    assert wrapped.version_of([_program(tmp_path / "claude")], []) == ""
    assert wrapped.version_of(["-p"], ["-p"]) == ""
