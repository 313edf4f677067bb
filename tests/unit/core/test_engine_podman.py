"""How podman is told to build."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from pinnace_core.engine import podman
from pinnace_core.engine.buildx import Build
from pinnace_core.engine.podman import Podman

_RENDERED: Final = Path(__file__).parents[2] / "golden" / "data" / "slim-2.1.330.Dockerfile"


def test_what_podman_does_not_read_is_spelled_otherwise() -> None:
    dockerfile = _RENDERED.read_bytes()

    plain = podman._spelled(dockerfile, "linux/arm64")  # noqa: SLF001 (a pure part)

    assert b"--link" not in plain
    assert b"TARGETARCH" not in plain
    assert b"\nFROM claude-arm64\n" in plain
    assert len(plain.splitlines()) == len(dockerfile.splitlines())


def test_the_base_takes_the_place_of_the_distribution() -> None:
    build = Build(
        context=Path("/c"),
        platform="linux/amd64",
        epoch=0,
        name="x:1",
        contexts={"distribution": "docker-image://localhost/pinnace/base:trixie"},
        labels={"a": "b"},
        secrets={"pinnace-ca": Path("/a,b.pem")},
        file=Path("/f"),
        arguments=("A=1",),
        fresh=True,
    )

    assert Podman().build_argv(build) == [
        "podman",
        "build",
        "--tag=localhost/x:1",
        "--build-context=distribution=container-image://localhost/pinnace/base:trixie",
        "--label=a=b",
        '--secret=id=pinnace-ca,"src=/a,b.pem"',
        "--file=/f",
        "--build-arg=A=1",
        "--no-cache",
        "/c",
    ]
