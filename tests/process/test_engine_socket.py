"""Asking the engine over its socket, whatever it answers."""

from __future__ import annotations

import _socket
import errno
import json
import socket
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, unquote, urlsplit

import pytest

from pinnace.image import claims
from pinnace_core.engine import local_socket
from pinnace_core.engine.docker import Docker
from pinnace_core.errors import ClientMissingError, EngineUnavailableError, PinnaceError
from pinnace_images import contract
from tests.process.conftest import image
from tests.support import hosts
from tests.support.fake_docker import Answer, as_json, in_pieces, text

if TYPE_CHECKING:
    from tests.support.fake_docker import FakeDocker, FakeEngine

_OTHER = f"sha256:{'0' * 64}"


@pytest.fixture(autouse=True)
def _client(docker: FakeDocker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", docker.environment["PATH"])


def _fails(engine: Docker) -> PinnaceError:
    """See that every question ends in the one error for it; return the last."""
    errors: list[PinnaceError] = []
    for ask in (lambda: claims.listed(engine), engine.version, lambda: engine.image("x")):
        with pytest.raises(EngineUnavailableError) as caught:
            ask()
        errors.append(caught.value)
    assert all(error.exit_code == 69 and error.hint for error in errors)
    return errors[-1]


def test_images_are_listed(engine: FakeEngine) -> None:
    engine.images = [image(), image(_OTHER, version="9.9.8")]

    found = claims.listed(Docker(engine.endpoint))

    assert [(i.id, i.labels[contract.LABEL_VERSION]) for i in found] == [
        (hosts.IMAGE_ID, "9.9.9"),
        (_OTHER, "9.9.8"),
    ]


def test_only_images_of_the_contract_are_asked_for(engine: FakeEngine) -> None:
    claims.listed(Docker(engine.endpoint))

    (request,) = engine.requests
    method, target, protocol = request.splitlines()[0].decode().split(" ")
    filters = json.loads(parse_qs(urlsplit(target).query, strict_parsing=True)["filters"][0])
    assert (method, protocol) == ("GET", "HTTP/1.0")
    assert filters == {"label": ["pinnace.contract"]}


def test_one_image_is_described_by_id_or_name(engine: FakeEngine) -> None:
    engine.images = [image()]

    for reference in (hosts.IMAGE_ID, engine.images[0]["RepoTags"][0]):
        found = claims.local(Docker(engine.endpoint), reference)
        assert found is not None
        assert (found.id, found.labels[contract.LABEL_SHA256]) == (hosts.IMAGE_ID, hosts.SHA256)


def test_an_image_that_is_not_there_is_none(engine: FakeEngine) -> None:
    assert claims.local(Docker(engine.endpoint), _OTHER) is None


@pytest.mark.parametrize("reference", ["a b", "x HTTP/1.0\r\nX: y\r\n\r\n", "x?y", "x#y", "ü"])
def test_a_strange_name_stays_one_name(engine: FakeEngine, reference: str) -> None:
    try:
        assert claims.local(Docker(engine.endpoint), reference) is None
    except PinnaceError:
        assert engine.requests == []
    else:
        target = engine.requests[0].splitlines()[0].decode().split(" ")[1]
        assert unquote(target) == f"/images/{reference}/json"
        assert not {"?", "#"} & set(target)


def test_the_version_is_told(engine: FakeEngine) -> None:
    assert Docker(engine.endpoint).version() == "99.1.2"


@pytest.mark.parametrize("size", [1, 7, 65536])
def test_an_answer_may_come_piece_by_piece(engine: FakeEngine, size: int) -> None:
    listed = [{"Id": f"sha256:{n}", "Labels": {"x": "ü" * 50}, "Created": n} for n in range(20)]
    engine.answers["/images/json"] = in_pieces(as_json(listed), size)

    assert [i.id for i in claims.listed(Docker(engine.endpoint))] == [i["Id"] for i in listed]


def test_an_answer_may_be_large(engine: FakeEngine) -> None:
    listed = [{"Id": f"sha256:{n}", "Labels": {"x": "y" * 1000}, "Created": n} for n in range(3000)]
    engine.answers["/images/json"] = as_json(listed)

    assert len(claims.listed(Docker(engine.endpoint))) == 3000


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param((), id="nothing"),
        pytest.param((b"HTTP/1.0 200",), id="status cut off"),
        pytest.param((b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n",), id="head cut off"),
        pytest.param(text('[{"Id": "sha2', length=500), id="body cut off"),
        pytest.param(text("", length=500), id="body missing"),
        pytest.param((b"\x00\xff\xfe" * 100,), id="garbage"),
        pytest.param((b"SSH-2.0-OpenSSH_9.9\r\n",), id="another server"),
        pytest.param(text("<html>hello</html>"), id="not json"),
        pytest.param(text(b"\xff\xfe\xfa"), id="not text"),
        pytest.param(text("a plugin is\nbroken", 500), id="500"),
        pytest.param(text("", 503), id="503"),
        pytest.param(text("no", 403), id="403"),
        pytest.param(as_json(7), id="a number"),
        pytest.param(as_json("x"), id="a string"),
        pytest.param(as_json([1]), id="a list of numbers"),
        pytest.param(as_json({"x": 1}), id="other names"),
        pytest.param(as_json([{"Labels": None}]), id="an image without an id"),
    ],
)
def test_an_awkward_answer_is_one_clear_error(engine: FakeEngine, answer: Answer) -> None:
    paths = ("/images/json", "/images/x/json", "/version")
    engine.answers = dict.fromkeys(paths, answer)

    _fails(Docker(engine.endpoint))


def test_what_the_engine_complains_about_is_passed_on_but_not_at_length(engine: FakeEngine) -> None:
    engine.answers["/version"] = text("the disk is on fire " + "x" * 10_000, 500)

    with pytest.raises(EngineUnavailableError, match=r"500.*the disk is on fire") as caught:
        Docker(engine.endpoint).version()

    assert len(caught.value.message) < 300


_GOING = f"failed to calculate size of image registry.example/{'long/' * 60}x: not found"


@pytest.mark.parametrize("times", [1, 3])
def test_images_that_go_while_they_are_listed_are_left_out(
    engine: FakeEngine, monkeypatch: pytest.MonkeyPatch, times: int
) -> None:
    failures = [as_json({"message": _GOING}, 404)] * times
    usual = engine.answer
    monkeypatch.setattr(engine, "answer", lambda head: failures.pop() if failures else usual(head))

    assert claims.listed(Docker(engine.endpoint)) == []
    assert failures == []


def test_a_list_that_is_never_whole_is_an_error(engine: FakeEngine) -> None:
    engine.answers["/images/json"] = as_json({"message": _GOING}, 404)

    with pytest.raises(EngineUnavailableError, match="failed to calculate"):
        claims.listed(Docker(engine.endpoint))


def test_a_version_that_is_not_found_is_an_error(engine: FakeEngine) -> None:
    engine.answers["/version"] = as_json({"message": "page not found"}, 404)

    with pytest.raises(EngineUnavailableError):
        Docker(engine.endpoint).version()


def test_a_socket_that_is_not_there_is_named(tmp_path: Path) -> None:
    error = _fails(Docker(f"unix://{tmp_path}/absent.sock"))

    assert f"{tmp_path}/absent.sock" in error.message
    assert "DOCKER_HOST" in error.hint


def test_a_socket_that_nobody_listens_on_is_an_error(engine: FakeEngine) -> None:
    path = Path(engine.path).with_name("stale")
    with socket.socket(socket.AF_UNIX) as stale:
        stale.bind(str(path))

    _fails(Docker(f"unix://{path}"))


def test_a_regular_file_is_no_socket(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    _fails(Docker(f"unix://{tmp_path / 'file'}"))


@pytest.mark.parametrize("path", ["", "/" + "x" * 200, "/nul\0byte"])
def test_an_impossible_path_is_an_error(path: str) -> None:
    _fails(Docker(f"unix://{path}"))


def test_an_engine_that_never_answers_is_given_up(
    engine: FakeEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(local_socket, "_TIMEOUT_SECONDS", 0.05)
    path = Path(engine.path).with_name("silent")
    with socket.socket(socket.AF_UNIX) as silent:
        silent.bind(str(path))
        silent.listen(9)
        _fails(Docker(f"unix://{path}"))


def test_without_permission_the_group_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    class Forbidden(_socket.socket):  # root is never refused
        def connect(self, _address: object) -> None:
            raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr("_socket.socket", Forbidden)

    error = _fails(Docker("unix:///run/docker.sock"))

    assert "Permission denied" in error.message
    assert "group 'docker'" in error.hint


def test_without_a_client_it_is_the_client_that_is_missed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))

    with pytest.raises(ClientMissingError) as caught:
        claims.listed(Docker(f"unix://{tmp_path}/absent.sock"))

    assert caught.value.exit_code == 69
