"""What is worth another attempt, and how often it gets one."""

from __future__ import annotations

import re
import time
from typing import Final

import pytest

from pinnace_builder import images_config
from pinnace_builder.render import render
from pinnace_core import retry as module
from pinnace_core.errors import BuildFailedError, ImageRegistryError, VerificationFailedError
from pinnace_core.retry import RetryPolicy, TransientError, is_transient, retry
from tests.unit.builder import recipes

_DIGEST: Final = f"sha256:{'429' * 21}0"
_HEAD: Final = "https://registry.example/v2/claude/manifests"
# As buildx 0.13 and docker 26 say it.
_PASSES: Final = {
    "rate limit, pull": "Error response from daemon: toomanyrequests: You have reached your pull "
    "rate limit. You may increase the limit by authenticating and upgrading",
    "rate limit, build": "failed to solve: debian@sha256:0a: failed to resolve source metadata for "
    "docker.io/library/debian@sha256:0a: failed to copy: httpReadSeeker: failed open: unexpected "
    "status code https://registry-1.docker.io/v2/library/debian/manifests/sha256:0a: 429 Too Many "
    "Requests - Server message: toomanyrequests: You have reached your unauthenticated pull limit",
    "429": f"failed to solve: unexpected status from HEAD request to {_HEAD}/1: 429 Too Many "
    "Requests",
    "500": f"failed to solve: unexpected status from HEAD request to {_HEAD}/1: 500 Internal "
    "Server Error",
    "502": "Error response from daemon: received unexpected HTTP status: 502 Bad Gateway",
    "503, pull": "Error response from daemon: received unexpected HTTP status: 503 Service "
    "Unavailable",
    "503, push": "failed to solve: failed to push registry.example/claude:1: unexpected status "
    "from POST request to https://registry.example/v2/claude/blobs/uploads/: 503 Service "
    "Unavailable",
    "504": f"failed to copy: unexpected status from GET request to {_HEAD}/1: 504 Gateway Time-out",
    "reset": "failed to copy: read tcp 10.0.0.2:43210->192.0.2.1:443: read: connection reset by "
    "peer",
    "refused": f'failed to do request: Head "{_HEAD}/1": dial tcp 192.0.2.1:443: connect: '
    "connection refused",
    "timeout": f'Get "{_HEAD}/1": dial tcp 192.0.2.1:443: i/o timeout',
    "name server": "dial tcp: lookup registry.example on 192.0.2.53:53: read udp "
    "10.0.0.2:43210->192.0.2.53:53: i/o timeout",
    "handshake": f'Get "{_HEAD}/1": net/http: TLS handshake timeout',
    "broken pipe": "write tcp 10.0.0.2:43210->192.0.2.1:443: write: broken pipe",
    "cut short": "failed to copy: unexpected EOF",
    "closed": 'Error response from daemon: Get "https://registry-1.docker.io/v2/": EOF',
}
_LASTS: Final = {
    "nothing": "",
    "exit code": "exit code 1",
    "404": f"failed to solve: unexpected status from HEAD request to {_HEAD}/1: 404 Not Found",
    "401": f"failed to solve: unexpected status from HEAD request to {_HEAD}/1: 401 Unauthorized",
    "403": f"unexpected status from GET request to {_HEAD}/1: 403 Forbidden",
    "501": f"unexpected status from GET request to {_HEAD}/1: 501 Not Implemented",
    "not found": "failed to solve: debian:gone: docker.io/library/debian:gone: not found",
    "no access": "Error response from daemon: pull access denied for x, repository does not exist "
    "or may require 'docker login': denied: requested access to the resource is denied",
    "digest": f"failed to solve: debian@{_DIGEST}: docker.io/library/debian@{_DIGEST}: not found",
    "port": "failed to solve: 127.0.0.1:5000/claude:1: not found",
    "other port": "failed to resolve reference registry.example:5030/claude: not found",
    "step": 'failed to solve: process "/bin/sh -c false" did not complete successfully: exit '
    "code: 1",
    "disk": "failed to solve: write /var/lib/docker/x: no space left on device",
    "platform": "failed to solve: no match for platform in manifest: not found",
    "many seconds": "canceled after 42900 ms",
}
_MISTAKEN: Final = {
    "size": "failed to solve: no space left on device: 500 MB needed",
    "another size": "layer of 503.2 MB exceeds the quota",
    "version of the CLI": "failed to solve: registry.example/claude:2.1.500: not found",
    "another version": "failed to solve: registry.example/claude:2.1.429-slim: not found",
    "line": "failed to solve: dockerfile parse error on line 502: unknown instruction: X",
}
_QUICK: Final = RetryPolicy(attempts=4, first_seconds=0.0001, most_seconds=0.001)


@pytest.mark.parametrize("said", _PASSES.values(), ids=_PASSES)
def test_what_passes_by_itself(said: str) -> None:
    assert is_transient(said)
    assert is_transient(said.upper())


@pytest.mark.parametrize("said", _LASTS.values(), ids=_LASTS)
def test_what_does_not(said: str) -> None:
    assert not is_transient(said)


@pytest.mark.parametrize("said", _MISTAKEN.values(), ids=_MISTAKEN)
def test_a_number_alone_is_no_status(said: str) -> None:
    assert not is_transient(said)


@pytest.mark.parametrize("variant", sorted(images_config.load().variants))
def test_a_step_that_fails_is_not_tried_again_whatever_its_script_says(variant: str) -> None:
    # buildx repeats the whole script in its last line.
    asked = recipes.request(variant=images_config.load().variant(variant))
    dockerfile = render(asked).dockerfile
    found = re.search(r"^RUN (.*?[^\\])$", dockerfile, re.DOTALL | re.MULTILINE)
    assert found is not None

    said = f'process "/bin/sh -c {found[1]}" did not complete successfully: exit code: 100'
    assert "apt-get" in said
    assert not is_transient(said)


class _Flaky:
    """Fails so many times, then gives a word."""

    def __init__(self, times: int, *, seconds: float = 0) -> None:
        self.calls = 0
        self.error = ImageRegistryError("the registry is busy", hint="wait")
        self._times, self._seconds = times, seconds

    def __call__(self) -> str:
        self.calls += 1
        if self.calls <= self._times:
            raise TransientError(self.error, self._seconds)
        return "there"


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Collect the waits instead of waiting."""
    waited: list[float] = []
    monkeypatch.setattr(time, "sleep", waited.append)
    return waited


def test_what_succeeds_is_done_once_and_nothing_is_said(
    capsys: pytest.CaptureFixture[str],
) -> None:
    once = _Flaky(0)

    assert retry(once, _QUICK) == "there"
    assert once.calls == 1
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize("times", [1, 2, 3])
def test_a_passing_error_is_said_and_tried_again(
    times: int, capsys: pytest.CaptureFixture[str]
) -> None:
    once = _Flaky(times)

    assert retry(once, _QUICK) == "there"

    assert once.calls == times + 1
    lines = capsys.readouterr().err.splitlines()
    assert [line.partition(" in ")[0] for line in lines] == [
        f"pinnace-build: the registry is busy: attempt {number} of 4"
        for number in range(2, times + 2)
    ]


@pytest.mark.parametrize("attempts", [1, 2, 4])
def test_after_the_last_attempt_the_error_itself_is_raised(
    attempts: int, capsys: pytest.CaptureFixture[str]
) -> None:
    once = _Flaky(99)

    with pytest.raises(ImageRegistryError) as caught:
        retry(once, RetryPolicy(attempts=attempts, first_seconds=0.0001))

    assert caught.value is once.error
    assert once.calls == attempts
    assert len(capsys.readouterr().err.splitlines()) == attempts - 1


def test_the_cause_of_a_passing_error_is_kept() -> None:
    cause = OSError("the cable")

    def once() -> None:
        raise TransientError(BuildFailedError("the build failed")) from cause

    with pytest.raises(BuildFailedError) as caught:
        retry(once, RetryPolicy(attempts=1))

    assert caught.value.__cause__ is cause


@pytest.mark.parametrize("error", [VerificationFailedError("another digest"), ValueError("x")])
def test_any_other_error_ends_it_at_once(
    error: Exception, capsys: pytest.CaptureFixture[str]
) -> None:
    calls = []

    def once() -> None:
        calls.append(1)
        raise error

    with pytest.raises(type(error)) as caught:
        retry(once, _QUICK)

    assert caught.value is error
    assert len(calls) == 1
    assert capsys.readouterr().err == ""


def test_the_waits_double_up_to_a_limit(waits: list[float]) -> None:
    with pytest.raises(ImageRegistryError):
        retry(_Flaky(99), RetryPolicy(attempts=6, first_seconds=1, most_seconds=4))

    assert len(waits) == 5
    for waited, least in zip(waits, [1, 2, 4, 4, 4], strict=True):
        assert least <= waited <= least + 1


@pytest.mark.parametrize(("asked", "waited"), [(7, 7), (700, 60)], ids=["bearable", "too long"])
def test_the_other_side_may_ask_for_a_longer_wait(
    waits: list[float], asked: float, waited: float
) -> None:
    assert retry(_Flaky(1, seconds=asked), RetryPolicy()) == "there"

    assert waits == [waited]


def test_the_default_policy_is_read_each_time(monkeypatch: pytest.MonkeyPatch) -> None:
    once = _Flaky(99)
    monkeypatch.setattr(module, "DEFAULT_POLICY", RetryPolicy(attempts=2, first_seconds=0.0001))

    with pytest.raises(ImageRegistryError):
        retry(once)

    assert once.calls == 2
