"""What the smoke test makes of what an image says."""

from __future__ import annotations

from typing import Final

import pytest

from pinnace_builder import smoke
from pinnace_core.container import Container, ContainerSpec, Finished
from pinnace_core.engine.docker import Docker
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


class _Engine(Docker):
    """An engine in which every image says the same."""

    def __init__(self, output: str = "", errors: str = "", code: int = 0) -> None:
        super().__init__()
        self.specs: list[ContainerSpec] = []
        self._finished = Finished(code, output, errors)
        self.removed: list[str] = []

    def container(self, name: str) -> Container | None:
        return Container("c0ffee", name, {}, "running", None)

    def remove(self, container: str) -> None:
        self.removed.append(container)

    def run(self, spec: ContainerSpec, *, seconds: float | None) -> Finished:
        assert seconds is None
        self.specs.append(spec)
        return self._finished


def _smoke(*said: str, expected: CliVersion | None = _VERSION) -> _Engine:
    """Test an image that says what a good one does, and then `said`."""
    engine = _Engine("\n".join([*_GOOD, *said]))
    smoke.smoke(engine, "x", version=expected, platform=ARM64)
    return engine


def test_an_image_that_is_what_it_says_passes() -> None:
    _smoke()
    _smoke("version=", expected=None)


def test_the_container_is_gone_afterwards_whoever_left_first() -> None:
    class Interrupted(_Engine):
        def run(self, spec: ContainerSpec, *, seconds: float | None) -> Finished:
            super().run(spec, seconds=seconds)
            raise KeyboardInterrupt

    engine = Interrupted()
    with pytest.raises(KeyboardInterrupt):
        smoke.smoke(engine, "x", version=_VERSION, platform=ARM64)

    assert engine.removed == [engine.specs[0].name]
    assert "--rm" in engine.argv(engine.specs[0])


def test_it_runs_with_nothing_to_reach_and_nothing_to_write_to_but_its_home() -> None:
    engine = _smoke()
    (spec,) = engine.specs

    # The image's own user is what is looked at; a base has none yet.
    assert spec.user is None
    assert _smoke("version=", expected=None).specs[0].user == (1000, 1000)
    assert spec.platform == "linux/arm64"
    assert spec.network == "none"
    assert {place.target for place in spec.tmpfs} == {"/tmp", contract.HOME}  # noqa: S108 (inside)
    assert {"--pull=never", "--cap-drop=ALL", "--read-only"} <= set(engine.argv(spec))


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
        smoke.smoke(_Engine(), "x", version=_VERSION, platform=ARM64)


@pytest.mark.parametrize(
    ("stderr", "kind"),
    [
        ("exec /usr/bin/sh: exec format error", smoke.CannotRunError),
        ("Error response from daemon: no space left on device", BuildFailedError),
    ],
)
def test_a_platform_that_cannot_be_run_is_told_from_an_image_that_does_not_run(
    stderr: str, kind: type[BuildFailedError]
) -> None:
    engine = _Engine(errors=stderr, code=125)

    with pytest.raises(BuildFailedError) as caught:
        smoke.smoke(engine, "x", version=_VERSION, platform=ARM64)

    assert type(caught.value) is kind


def test_labels_are_compared_by_key_and_others_do_not_matter() -> None:
    smoke.check_labels({"a": "1", "b": "2"}, {"a": "1"})

    for found in ({}, {"a": "2"}, {"A": "1"}):
        with pytest.raises(VerificationFailedError, match="label a is"):
            smoke.check_labels(found, {"a": "1"})
