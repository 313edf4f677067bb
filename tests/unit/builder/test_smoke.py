"""What the smoke test makes of what an image says."""

from __future__ import annotations

from typing import Any, Final, cast

import pytest
from python_on_whales import DockerClient
from python_on_whales.exceptions import DockerException

from pinnace_builder import smoke
from pinnace_core.errors import BuildFailedError, VerificationFailedError
from pinnace_images import contract
from pinnace_images.versions import CliVersion
from tests.unit.builder.recipes import ARM64

_VERSION: Final = CliVersion(2, 1, 330)
_GOOD: Final = (
    "version=2.1.330 (Claude Code)",
    "user=1000:1000",
    "found=/etc/passwd",
    "setuid=",
    "writable=",
)


class _Client:
    """An engine in which every image says the same."""

    def __init__(self, output: str = "", error: DockerException | None = None) -> None:
        self.options: dict[str, Any] = {}
        self._output, self._error = output, error
        self.container = self
        self.client_config = DockerClient().client_config
        self.removed: list[str] = []

    def remove(self, name: str, **_: Any) -> None:
        self.removed.append(name)

    def run(self, _image: str, _command: list[str], **options: Any) -> str:
        self.options = options
        if self._error:
            raise self._error
        return self._output


def _smoke(*said: str, expected: CliVersion | None = _VERSION) -> _Client:
    """Test an image that says what a good one does, and then `said`."""
    client = _Client("\n".join([*_GOOD, *said]))
    smoke.smoke(cast("DockerClient", client), "x", version=expected, platform=ARM64)
    return client


def test_an_image_that_is_what_it_says_passes() -> None:
    _smoke()
    _smoke("version=", expected=None)


def test_the_container_is_gone_afterwards_whoever_left_first() -> None:
    client = _smoke()

    assert client.removed == [client.options["name"]]


def test_it_runs_with_nothing_to_reach_and_nothing_to_write_to_but_its_home() -> None:
    options = _smoke().options

    # The image's own user is what is looked at; a base has none yet.
    assert options["user"] is None
    assert _smoke("version=", expected=None).options["user"] == "1000:1000"
    assert options["platform"] == "linux/arm64"
    assert options["pull"] == "never"
    assert options["networks"] == ["none"]
    assert options["cap_drop"] == ["ALL"]
    assert options["read_only"]
    assert options["remove"]
    assert {place.partition(":")[0] for place in options["tmpfs"]} == {"/tmp", contract.HOME}  # noqa: S108 (inside)


@pytest.mark.parametrize(
    "said",
    [
        "version=2.1.329 (Claude Code)",
        "version=2.1.3300 (Claude Code)",
        "version=",
        "version=sh: claude: not found",
        "user=0:0",
        "user=1000:0",
        "setuid=/usr/bin/su ",
        "found=",
        "writable=/opt/claude/bin/claude ",
    ],
)
def test_an_image_that_is_something_else_does_not(said: str) -> None:
    with pytest.raises(VerificationFailedError) as caught:
        _smoke(said)

    assert caught.value.exit_code == 79


def test_a_base_has_no_cli() -> None:
    with pytest.raises(VerificationFailedError, match="says '2"):
        _smoke(expected=None)


def test_an_image_that_says_nothing_does_not_pass() -> None:
    with pytest.raises(VerificationFailedError):
        smoke.smoke(cast("DockerClient", _Client()), "x", version=_VERSION, platform=ARM64)


@pytest.mark.parametrize(
    ("stderr", "kind"),
    [
        (b"exec /usr/bin/sh: exec format error", smoke.CannotRunError),
        (b"Error response from daemon: no space left on device", BuildFailedError),
    ],
)
def test_a_platform_that_cannot_be_run_is_told_from_an_image_that_does_not_run(
    stderr: bytes, kind: type[BuildFailedError]
) -> None:
    client = _Client(error=DockerException(["docker"], 125, stderr=stderr))

    with pytest.raises(BuildFailedError) as caught:
        smoke.smoke(cast("DockerClient", client), "x", version=_VERSION, platform=ARM64)

    assert type(caught.value) is kind


def test_labels_are_compared_by_key_and_others_do_not_matter() -> None:
    smoke.check_labels({"a": "1", "b": "2"}, {"a": "1"})

    for found in ({}, {"a": "2"}, {"A": "1"}):
        with pytest.raises(VerificationFailedError, match="label a is"):
            smoke.check_labels(found, {"a": "1"})
