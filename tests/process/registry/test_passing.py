"""The client of image registries: what it tries again, and what it does not."""

from __future__ import annotations

import socket
import time
from email.utils import formatdate
from pathlib import PosixPath
from typing import TYPE_CHECKING, NoReturn

import pytest

from pinnace_builder.registry import Registry, RetryPolicy
from pinnace_core.errors import ImageRegistryError, PinnaceError, RegistryDeniedError
from tests.support.fake_registry import Answer, FakeRegistry, error
from tests.support.registry_client import BLOB, BUSY, DIGEST, MANIFEST, OCI, QUICK, client

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504])
def test_passing_statuses_are_tried_again(
    fake: FakeRegistry, registry: Registry, status: int, capsys: pytest.CaptureFixture[str]
) -> None:
    fake.store(MANIFEST, OCI, "1.0")
    fake.will("GET", "manifests", Answer(status, error("UNKNOWN", "not\x1b[2J now")), count=2)

    assert registry.manifest("1.0")

    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 2
    assert lines[0].startswith(f"pinnace-build: {fake.address} answers {status} (UNKNOWN: not[2J ")
    assert ": attempt 2 of 4 in 0.0 s" in lines[0]


def test_attempts_end(fake: FakeRegistry, registry: Registry) -> None:
    fake.will("GET", "tags", BUSY, count=100)

    with pytest.raises(ImageRegistryError, match="answers 503") as caught:
        registry.tags()
    assert len(fake.requests) == 4
    assert caught.value.hint == "try again later"


@pytest.mark.parametrize("status", [400, 404, 405, 409, 413, 501, 505, 302])
def test_others_are_not(fake: FakeRegistry, registry: Registry, status: int) -> None:
    fake.will("PUT", "manifests", Answer(status, error("BAD", "you may not"), {"Location": "/x"}))

    with pytest.raises(PinnaceError, match=rf"answers {status} \(BAD: you may not\)") as caught:
        registry.push_manifest(MANIFEST, OCI, "1.0")
    kind = RegistryDeniedError if 400 <= status < 500 else ImageRegistryError
    assert type(caught.value) is kind
    assert len(fake.requests) == 1
    assert caught.value.hint


@pytest.mark.parametrize("by_date", [True, False])
def test_the_registry_says_how_long_to_wait(fake: FakeRegistry, *, by_date: bool) -> None:
    asked = formatdate(time.time() + 30, usegmt=True) if by_date else "30"
    fake.will("GET", "tags", Answer(429, headers={"Retry-After": asked}))
    patient = client(fake, most_asked_seconds=0.3)

    started = time.monotonic()
    patient.tags()

    assert 0.3 <= time.monotonic() - started < 10


@pytest.mark.parametrize("asked", ["soon", "-1", "", "9" * 400, "99999999999999999999"])
def test_nonsense_about_waiting_is_not_waited_for(
    fake: FakeRegistry, registry: Registry, asked: str
) -> None:
    fake.will("GET", "tags", Answer(429, headers={"Retry-After": asked}))

    assert registry.tags() == []


def test_waiting_doubles_up_to_a_limit(fake: FakeRegistry, monkeypatch: pytest.MonkeyPatch) -> None:
    waits: list[float] = []
    monkeypatch.setattr("tenacity.nap.time.sleep", waits.append)
    fake.will("GET", "tags", BUSY, count=100)

    with pytest.raises(ImageRegistryError):
        client(fake, attempts=9, first_seconds=0.5, most_seconds=20).tags()

    least = [0.5, 1, 2, 4, 8, 16, 20, 20]
    assert all(low <= wait <= low + 0.5 for low, wait in zip(least, waits, strict=True))


def test_an_upload_that_breaks_off_begins_again(
    fake: FakeRegistry, registry: Registry, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = tmp_path / "layer"
    source.write_bytes(BLOB)
    fake.will("PUT", "uploads", Answer(resets_after=1000), count=2)

    assert registry.push_blob(DIGEST, source)

    assert fake.blobs == {DIGEST: BLOB}
    assert fake.uploads == 3
    # What had arrived does not stay behind.
    cancelled = fake.seen("DELETE")
    assert [request.path[-1] for request in cancelled] == ["1", "2"]
    assert all(request.query == {"_state": ["a/b=="]} for request in cancelled)
    assert len(capsys.readouterr().err.splitlines()) == 2


def test_a_blob_whose_receipt_was_lost_is_not_sent_again(
    fake: FakeRegistry, registry: Registry
) -> None:
    fake.will("PUT", "uploads", BUSY)
    fake.will("HEAD", "blobs", Answer(404))
    fake.blobs[DIGEST] = BLOB

    assert registry.push_blob(DIGEST, BLOB)
    assert fake.uploads == 1


@pytest.mark.parametrize("answer", [BUSY, Answer(404), Answer(405), Answer(resets_after=0)])
def test_an_upload_that_cannot_be_cancelled_is_left_alone(
    fake: FakeRegistry, registry: Registry, answer: Answer
) -> None:
    fake.will("PUT", "uploads", BUSY)
    fake.will("DELETE", "uploads", answer)

    assert registry.push_blob(DIGEST, BLOB)

    assert len(fake.seen("DELETE")) == 1


class _Interrupting(PosixPath):
    """A file that somebody presses Ctrl-C over."""

    def open(self, *_: object, **__: object) -> NoReturn:
        raise KeyboardInterrupt


def test_an_upload_that_is_interrupted_is_cancelled(
    fake: FakeRegistry, registry: Registry, tmp_path: Path
) -> None:
    (tmp_path / "layer").write_bytes(BLOB)

    with pytest.raises(KeyboardInterrupt):
        registry.push_blob(DIGEST, _Interrupting(tmp_path / "layer"))

    assert len(fake.seen("DELETE", "uploads/1")) == 1


def test_a_connection_that_breaks_is_made_again(fake: FakeRegistry, registry: Registry) -> None:
    fake.store(MANIFEST, OCI, "1.0")
    fake.will("GET", "manifests", Answer(resets_after=0), count=3)

    assert registry.manifest("1.0")


@pytest.mark.parametrize("length", [10**9, len(BLOB) + 1])
def test_a_body_that_ends_early_is_fetched_again(
    fake: FakeRegistry, registry: Registry, tmp_path: Path, length: int
) -> None:
    fake.blobs[DIGEST] = BLOB
    short = Answer(200, BLOB, length=length)
    fake.will("GET", "blobs", short, count=2)

    registry.download(DIGEST, tmp_path / "blob")
    assert (tmp_path / "blob").read_bytes() == BLOB

    fake.will("GET", "blobs", short, count=100)
    with pytest.raises(ImageRegistryError, match="broke off"):
        registry.blob(DIGEST)


def test_nobody_there_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]

    with pytest.raises(ImageRegistryError, match="connection refused"):
        Registry(f"127.0.0.1:{port}/x", policy=QUICK).tags()
    assert len(capsys.readouterr().err.splitlines()) == 3


def test_silence_ends() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        hasty = RetryPolicy(**{**vars(QUICK), "attempts": 2, "read_seconds": 0.1})

        with pytest.raises(ImageRegistryError, match="takes too long"):
            Registry(f"127.0.0.1:{port}/x", policy=hasty).tags()
