"""How podman is told to build."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from pinnace_builder import podman
from pinnace_images.platforms import Platform

_RENDERED: Final = Path(__file__).parents[2] / "golden" / "data" / "slim-2.1.330.Dockerfile"


def test_what_podman_does_not_read_is_spelled_otherwise() -> None:
    dockerfile = _RENDERED.read_text(encoding="utf-8")

    plain = podman.spelled(dockerfile, Platform.of_machine("aarch64"))

    assert "--link" not in plain
    assert "TARGETARCH" not in plain
    assert "\nFROM claude-arm64\n" in plain
    assert len(plain.splitlines()) == len(dockerfile.splitlines())


def test_the_base_takes_the_place_of_the_distribution() -> None:
    argv = podman.command(
        Path("/c"),
        tag="localhost/x:1",
        images={"distribution": "localhost/pinnace/base:trixie"},
        labels={"a": "b"},
        secrets={"pinnace-ca": Path("/a,b.pem")},
    )

    assert argv == [
        "podman",
        "build",
        "--tag=localhost/x:1",
        "--build-context=distribution=container-image://localhost/pinnace/base:trixie",
        "--label=a=b",
        '--secret=id=pinnace-ca,"src=/a,b.pem"',
        "/c",
    ]
