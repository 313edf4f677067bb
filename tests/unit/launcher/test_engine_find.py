"""Finding the engine as the docker client does."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING

import pytest

from pinnace_core import engine
from pinnace_core.engine.docker import Docker
from pinnace_core.engine.facts import EngineFacts
from pinnace_core.engine.podman import Podman
from pinnace_core.errors import EngineUnavailableError, EngineUnsuitableError
from tests.support import hosts

if TYPE_CHECKING:
    from pathlib import Path

_DEFAULT = "unix:///var/run/docker.sock"
_PIPE = "npipe:////./pipe/docker_engine"


def _context(docker: Path, name: str, host: str) -> None:
    place = docker / "contexts" / "meta" / hashlib.sha256(name.encode()).hexdigest()
    place.mkdir(parents=True)
    metadata = {"Name": name, "Endpoints": {"docker": {"Host": host, "SkipTLSVerify": False}}}
    (place / "meta.json").write_text(json.dumps(metadata))


@pytest.fixture
def docker(tmp_path: Path) -> Path:
    """A client's config directory with two contexts, of which `chosen` is the current one."""
    place = tmp_path / ".docker"
    _context(place, "chosen", "unix:///run/chosen.sock")
    _context(place, "ünder way", "tcp://engine.example:2376")
    (place / "config.json").write_text('{"auths": {}, "currentContext": "chosen"}')
    return place


def _find(home: Path, **environment: str) -> str:
    return engine.detect(hosts.linux(home=str(home), environment=environment)).endpoint


def test_without_any_config_it_is_the_default_socket(tmp_path: Path) -> None:
    assert _find(tmp_path) == _DEFAULT


def test_on_windows_it_is_the_default_pipe(tmp_path: Path) -> None:
    found = engine.detect(hosts.windows(home=str(tmp_path)))

    assert isinstance(found, Docker)
    assert found.endpoint == _PIPE
    assert found.socket_path is None


@pytest.mark.usefixtures("docker")
def test_the_current_context_counts(tmp_path: Path) -> None:
    assert _find(tmp_path) == "unix:///run/chosen.sock"


@pytest.mark.usefixtures("docker")
def test_the_variable_wins_over_the_current_context(tmp_path: Path) -> None:
    assert _find(tmp_path, DOCKER_CONTEXT="ünder way") == "tcp://engine.example:2376"


@pytest.mark.usefixtures("docker")
def test_the_default_context_can_be_chosen_over_the_current_one(tmp_path: Path) -> None:
    assert _find(tmp_path, DOCKER_CONTEXT="default") == _DEFAULT


@pytest.mark.usefixtures("docker")
def test_the_host_wins_over_every_context(tmp_path: Path) -> None:
    host = "unix:///run/mine.sock"

    assert _find(tmp_path, DOCKER_HOST=host, DOCKER_CONTEXT="chosen") == host


@pytest.mark.usefixtures("docker")
def test_an_empty_variable_counts_as_unset(tmp_path: Path) -> None:
    assert _find(tmp_path, DOCKER_HOST="", DOCKER_CONTEXT="") == "unix:///run/chosen.sock"


def test_the_config_directory_can_lie_elsewhere(docker: Path, tmp_path: Path) -> None:
    elsewhere = docker.rename(tmp_path / "elsewhere")

    assert _find(tmp_path) == _DEFAULT
    assert _find(tmp_path, DOCKER_CONFIG=str(elsewhere)) == "unix:///run/chosen.sock"


@pytest.mark.usefixtures("docker")
def test_an_unknown_context_is_an_error_that_names_it(tmp_path: Path) -> None:
    with pytest.raises(EngineUnavailableError, match="'nowhere'") as caught:
        _find(tmp_path, DOCKER_CONTEXT="nowhere")

    assert caught.value.exit_code == 69
    assert caught.value.hint


def test_a_current_context_that_is_gone_is_an_error(tmp_path: Path) -> None:
    (tmp_path / ".docker").mkdir()
    (tmp_path / ".docker" / "config.json").write_text('{"currentContext": "gone"}')

    with pytest.raises(EngineUnavailableError, match="'gone'"):
        _find(tmp_path)


@pytest.mark.parametrize(
    "metadata",
    [
        "",
        "{",
        "[]",
        "{}",
        '{"Endpoints": null}',
        '{"Endpoints": {"docker": null}}',
        '{"Endpoints": []}',
    ],
)
def test_a_context_without_an_address_is_an_error(
    docker: Path, tmp_path: Path, metadata: str
) -> None:
    next(docker.glob(f"contexts/meta/{hashlib.sha256(b'chosen').hexdigest()}/*")).write_text(
        metadata
    )

    with pytest.raises(EngineUnavailableError, match="'chosen'"):
        _find(tmp_path)


@pytest.mark.parametrize(
    "config",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b'{"currentContext": "cho', id="cut off"),
        pytest.param(b"\xff\xfe\x00", id="binary"),
        pytest.param(b"[]", id="a list"),
        pytest.param(b"{}", id="without a context"),
        pytest.param(b'{"currentContext": null}', id="context is null"),
        pytest.param(b'{"currentContext": ""}', id="context is empty"),
    ],
)
def test_a_config_that_names_no_context_means_the_default(tmp_path: Path, config: bytes) -> None:
    (tmp_path / ".docker").mkdir()
    (tmp_path / ".docker" / "config.json").write_bytes(config)

    assert _find(tmp_path) == _DEFAULT


def test_a_config_that_is_a_directory_means_the_default(tmp_path: Path) -> None:
    (tmp_path / ".docker" / "config.json").mkdir(parents=True)

    assert _find(tmp_path) == _DEFAULT


@pytest.mark.parametrize(
    ("endpoint", "path"),
    [
        ("unix:///run/x.sock", "/run/x.sock"),
        ("unix:///run/a b/ü.sock", "/run/a b/ü.sock"),
        ("tcp://127.0.0.1:2375", None),
        ("ssh://somebody@server", None),
        (_PIPE, None),
    ],
)
def test_only_a_unix_socket_has_a_path(endpoint: str, path: str | None) -> None:
    assert Docker(endpoint).socket_path == path


def _program(place: Path, name: str) -> None:
    place.mkdir(exist_ok=True)
    (place / name).write_text("#!/bin/sh\n")
    (place / name).chmod(0o755)


def test_the_kind_can_be_asked_for(tmp_path: Path) -> None:
    facts = hosts.linux(home=str(tmp_path))

    podman, docker = engine.detect(facts, "podman"), engine.detect(facts, "docker")

    assert (type(podman), podman.endpoint) == (Podman, "podman")
    assert (type(docker), docker.endpoint) == (Docker, _DEFAULT)


def test_podman_is_taken_where_docker_is_not(tmp_path: Path) -> None:
    _program(tmp_path / "bin", "podman")
    environment = {"PATH": str(tmp_path / "bin")}

    assert engine.detect(hosts.linux(home=str(tmp_path), environment=environment)).name == "podman"
    told = environment | {"DOCKER_HOST": "unix:///run/x"}
    assert engine.detect(hosts.linux(home=str(tmp_path), environment=told)).name == "docker"
    only_docker = hosts.linux(home=str(tmp_path), environment={"PATH": "/nowhere"})
    assert engine.detect(only_docker).name == "docker"


@pytest.mark.parametrize(
    ("endpoint", "program", "local"),
    [
        ("unix:///run/docker.sock", "docker", True),
        ("npipe:////./pipe/docker_engine", "docker", True),
        ("npipe:////server/pipe/docker_engine", "docker", False),
        ("tcp://127.0.0.1:2375", "docker", False),
        ("ssh://me@engine.example", "docker", False),
        ("podman", "podman", True),
        ("unix:///run/podman/podman.sock", "podman", True),
        ("ssh://me@engine.example/run/podman.sock", "podman", False),
    ],
)
def test_only_engines_of_this_machine_mount_its_directories(
    endpoint: str, program: str, *, local: bool
) -> None:
    found = Docker(endpoint) if program == "docker" else Podman(endpoint)
    if local:
        engine.require_local(found)
    else:
        with pytest.raises(EngineUnsuitableError, match="another machine's"):
            engine.require_local(found)


@pytest.mark.parametrize(
    ("about", "text"),
    [
        (EngineFacts(kind="podman", remote=True), "another machine"),
        (EngineFacts(behind_docker=True), "podman, behind docker's interface"),
    ],
)
def test_an_engine_that_is_something_else_is_refused(about: EngineFacts, text: str) -> None:
    with pytest.raises(EngineUnsuitableError, match=text):
        engine.require_suitable(Docker(_DEFAULT), about)
