"""A machine with a fake engine and a fake docker client."""

from __future__ import annotations

import platform
import subprocess
import sys
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest

from pinnace_images import contract
from pinnace_images.platforms import Platform
from tests.support import fake_docker, hosts

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path


def image(
    image_id: str = hosts.IMAGE_ID, *, created: str = "2026-01-01T00:00:00Z", **labels: str
) -> dict[str, Any]:
    """An image for this machine, as the engine describes it; `labels` as `hosts.labels`."""
    usual = {
        "platform": str(Platform.of_machine(platform.machine())),
        "build_id": image_id.removeprefix("sha256:"),
    }
    found = hosts.labels(**(usual | labels))
    version, variant = found[contract.LABEL_VERSION], found[contract.LABEL_VARIANT]
    return {
        "Id": image_id,
        "RepoTags": [f"pinnace/claude:{version}-{variant}-{image_id[7:19]}"],
        "Created": created,
        "Config": {"Labels": found},
    }


def says(version: str = hosts.VERSION, sha256: str = hosts.SHA256) -> str:
    """What a verification hears from an image."""
    return f"{version} (Claude Code)\n{sha256}  /opt/claude/bin/claude\n"


@dataclass
class Machine:
    """What a launch meets.

    Attributes:
        engine: what listens on the socket.
        docker: what stands on PATH.
        project: the working directory, with a pin.
        environment: of the launcher.
    """

    engine: fake_docker.FakeEngine
    docker: fake_docker.FakeDocker
    project: Path
    environment: dict[str, str] = field(default_factory=dict)

    def pinnace(
        self,
        *arguments: str,
        options: tuple[str, ...] = (),
        stdin: bytes = b"",
        environment: Mapping[str, str] | None = None,
    ) -> subprocess.CompletedProcess[bytes]:
        """Run the command; `options` are the interpreter's."""
        return subprocess.run(
            [sys.executable, *options, "-m", "pinnace", *arguments],
            check=False,
            capture_output=True,
            cwd=self.project,
            env={**self.environment, **(environment or {})},
            input=stdin,
            timeout=60,
        )


@pytest.fixture
def docker(tmp_path: Path) -> fake_docker.FakeDocker:
    """A fake docker client; it has to be put on PATH."""
    return fake_docker.FakeDocker(tmp_path / "fake docker")


@pytest.fixture
def engine() -> Iterator[fake_docker.FakeEngine]:
    """A fake engine that knows no images."""
    with fake_docker.serve() as running:
        yield running


@pytest.fixture
def machine(
    engine: fake_docker.FakeEngine, docker: fake_docker.FakeDocker, tmp_path: Path
) -> Machine:
    """A machine on which a launch works."""
    project, home = tmp_path / "my project", tmp_path / "home"
    project.mkdir()
    home.mkdir()
    (project / ".claude-version").write_text(f"{hosts.VERSION}\n")
    known = home / ".local/state/pinnace/built" / fake_docker.GATEWAY["Id"].replace(":", "-")
    known.parent.mkdir(parents=True)
    known.write_text(fake_docker.GATEWAY["Id"])
    engine.images = [image()]
    docker.knows(engine.images)
    docker.will("check", stdout=says())
    base = {"HOME": str(home), "DOCKER_HOST": engine.endpoint, "LANG": "C.UTF-8"}
    # A fake engine runs no gateway; with this, nothing here needs one.
    base["PINNACE_ISOLATION"] = "open"
    base["PINNACE_STANDBY"] = "0"
    return Machine(engine, docker, project, docker.environment | base)
