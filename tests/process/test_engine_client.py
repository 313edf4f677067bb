"""Asking an engine that is not on a local socket, through the docker client."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pinnace.image import claims
from pinnace_core.engine.docker import Docker
from pinnace_core.errors import ClientMissingError, EngineUnavailableError
from pinnace_images import contract
from tests.process.conftest import image
from tests.support import hosts

if TYPE_CHECKING:
    from pathlib import Path

    from tests.process.conftest import Machine
    from tests.support.fake_docker import FakeDocker

_REMOTE = "tcp://engine.example:2376"
_OTHER = f"sha256:{'0' * 64}"


@pytest.fixture(autouse=True)
def _client(docker: FakeDocker, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in docker.environment.items():
        monkeypatch.setenv(name, value)


def test_images_are_listed_then_described(docker: FakeDocker) -> None:
    docker.knows([image(), image(_OTHER, version="9.9.8")])

    found = claims.listed(Docker(_REMOTE))

    versions = {i.id: i.labels[contract.LABEL_VERSION] for i in found}
    assert versions == {hosts.IMAGE_ID: "9.9.9", _OTHER: "9.9.8"}
    (listing,) = docker.calls("image ls")
    assert "--filter=label=pinnace.contract" in listing
    assert docker.calls("image inspect") == [
        ["image", "inspect", *sorted([hosts.IMAGE_ID, _OTHER])]
    ]


def test_an_image_with_several_names_is_described_once(docker: FakeDocker) -> None:
    docker.knows([image(), image()])

    assert [i.id for i in claims.listed(Docker(_REMOTE))] == [hosts.IMAGE_ID]


def test_without_images_nothing_is_described(docker: FakeDocker) -> None:
    assert claims.listed(Docker(_REMOTE)) == []
    assert docker.calls("image inspect") == []


def test_one_image_is_described(docker: FakeDocker) -> None:
    docker.knows([image()])

    found = claims.local(Docker(_REMOTE), hosts.IMAGE_ID)

    assert found is not None
    assert found.labels[contract.LABEL_SHA256] == hosts.SHA256
    assert claims.local(Docker(_REMOTE), _OTHER) is None


def test_the_version_is_told() -> None:
    assert Docker(_REMOTE).version() == "99.1.2"


@pytest.mark.parametrize("command", ["image ls", "image inspect", "version"])
def test_what_the_client_complains_about_is_passed_on(docker: FakeDocker, command: str) -> None:
    docker.knows([image()])
    docker.will(command, stderr="warning: x\nCannot connect to the Docker daemon\n", code=1)

    with pytest.raises(EngineUnavailableError, match="Cannot connect") as caught:
        Docker(_REMOTE).version() if command == "version" else claims.listed(Docker(_REMOTE))

    assert caught.value.hint


@pytest.mark.parametrize("output", ["garbage", '[{"Id": "sha2', "{}", "[1]", "7", "\udcff"])
def test_an_awkward_description_is_one_clear_error(docker: FakeDocker, output: str) -> None:
    docker.will("image inspect", stdout=output)

    with pytest.raises(EngineUnavailableError):
        claims.local(Docker(_REMOTE), hosts.IMAGE_ID)


@pytest.mark.parametrize("output", ["", "[]", "null"])
def test_an_empty_description_is_none_or_that_error(docker: FakeDocker, output: str) -> None:
    docker.will("image inspect", stdout=output)

    try:
        assert claims.local(Docker(_REMOTE), hosts.IMAGE_ID) is None
    except EngineUnavailableError:
        return


def test_a_complaint_that_is_no_text_is_passed_on(docker: FakeDocker) -> None:
    docker.will("version", stderr="broken \udcff", code=1)

    with pytest.raises(EngineUnavailableError, match="broken"):
        Docker(_REMOTE).version()


def test_without_a_client_it_is_the_client_that_is_missed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))

    with pytest.raises(ClientMissingError):
        claims.listed(Docker(_REMOTE))


@pytest.mark.parametrize(
    "endpoint", [_REMOTE, "ssh://me:secret@engine.example", "tcp://127.0.0.1:2375"]
)
def test_an_engine_elsewhere_is_refused_before_it_is_asked(machine: Machine, endpoint: str) -> None:
    done = machine.pinnace("run", environment={"DOCKER_HOST": endpoint})

    assert done.returncode == 69
    assert b"another machine's, which cannot mount this one's directories" in done.stderr
    assert b"run pinnace over there" in done.stderr
    assert b"secret" not in done.stderr
    assert machine.docker.log("call") == []
