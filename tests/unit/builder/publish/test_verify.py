"""What is looked at before an image gets a name."""

from __future__ import annotations

import json
import struct
from dataclasses import replace
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Final, cast

import pytest
from python_on_whales.exceptions import NoSuchImage

from pinnace_builder import smoke
from pinnace_builder.publish import plan
from pinnace_builder.publish.verify import Verifier, check_budget, check_cli
from pinnace_core.errors import (
    BuildFailedError,
    EngineUnavailableError,
    PinnaceError,
    VerificationFailedError,
)
from tests.unit.builder import recipes
from tests.unit.builder.publish import layouts
from tests.unit.builder.publish.publishing import REPOSITORY, MemoryRegistry, labels_of
from tests.unit.builder.recipes import AMD64, ARM64, DEV, DISTRIBUTIONS, SLIM, request

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from pinnace_builder.render import ImageRequest
    from pinnace_core.engine import Engine
    from pinnace_images.lock import Package
    from pinnace_images.platforms import Platform

_X86: Final = 62
_ARM: Final = 183
_MB: Final = 1_000_000


def _base(asked: ImageRequest, platform: Platform = AMD64) -> plan.PlatformImage:
    return plan.base_image(asked, platform, DISTRIBUTIONS[platform])


def _cli(asked: ImageRequest | None = None, platform: Platform = AMD64) -> plan.PlatformImage:
    return plan.cli_image(asked or request(), _base(asked or request(), platform))


def _locked(image: plan.PlatformImage) -> Package:
    return image.request.entry.package_for(image.platform)


def _elf(machine: int) -> bytes:
    """Return the first 20 bytes of a 64-bit executable for Linux."""
    return b"\x7fELF\x02\x01\x01" + bytes(9) + struct.pack("<HH", 2, machine)


_HEADERS: Final[Mapping[Platform, bytes]] = {AMD64: _elf(_X86), ARM64: _elf(_ARM)}


@pytest.mark.parametrize("platform", [AMD64, ARM64], ids=str)
def test_the_locked_cli_of_the_right_machine_is_good(platform: Platform) -> None:
    image = _cli(platform=platform)

    check_cli(image, _HEADERS[platform], _locked(image).executable_sha256)


def test_another_cli_is_not() -> None:
    with pytest.raises(VerificationFailedError, match="another CLI than the lock says"):
        check_cli(_cli(), _HEADERS[AMD64], "0" * 64)


def test_the_cli_of_another_platform_is_not() -> None:
    image = _cli(platform=ARM64)

    with pytest.raises(VerificationFailedError, match="another CLI"):
        check_cli(image, _HEADERS[AMD64], _locked(_cli(platform=AMD64)).executable_sha256)


@pytest.mark.parametrize(
    "header",
    [
        _HEADERS[ARM64],
        b"",
        b"\x7fELF",
        b"#!/bin/sh\nexec node ",
        b"\xcf\xfa\xed\xfe" + bytes(16),
        b"\x7fELF" + bytes(16),
        b"MZ" + bytes(16) + struct.pack("<H", _X86),
        b"\x7fELF\x02\x02\x01" + bytes(9) + struct.pack(">HH", 2, _X86),
    ],
    ids=["arm64", "empty", "cut", "script", "macOS", "no machine", "windows", "big-endian"],
)
def test_what_the_lock_says_must_run_on_the_platform(header: bytes) -> None:
    image = _cli()

    with pytest.raises(VerificationFailedError, match="no executable of linux/amd64"):
        check_cli(image, header, _locked(image).executable_sha256)


def test_a_script_runs_on_every_machine() -> None:
    for platform in (AMD64, ARM64):
        image = _cli(request(recipes.script()), platform)
        check_cli(image, b"#!/usr/bin/env node\n", _locked(image).executable_sha256)


def test_the_budget_is_for_all_but_the_cli() -> None:
    check_budget(_cli(), (30 * _MB, 45 * _MB, 200 * _MB))
    check_budget(_base(request()), (30 * _MB, 45 * _MB))

    with pytest.raises(VerificationFailedError, match=r"has 75\.1 MB, allowed are 75") as caught:
        check_budget(_cli(), (30 * _MB, 45 * _MB + 100_000, 1))
    assert "budget_mb" in caught.value.hint
    with pytest.raises(VerificationFailedError):
        check_budget(_base(request()), (30 * _MB, 45 * _MB, 1))


def test_a_base_that_takes_on_node_has_no_budget_and_one_that_has_it_anyway_has() -> None:
    huge = (900 * _MB, 1, 1)
    script = recipes.script()

    check_budget(_cli(request(script)), huge)
    check_budget(_base(request(script)), huge)
    for image in (_cli(request(script, variant=DEV)), _base(request(variant=DEV))):
        with pytest.raises(VerificationFailedError):
            check_budget(image, huge)


class _Pushed:
    """One image, pushed as it is told."""

    def __init__(self, directory: Path) -> None:
        self.registry = MemoryRegistry([])
        self._directory = directory
        client = cast("Engine", None)
        self._verifier = Verifier(client, self.registry, REPOSITORY)

    def check(self, image: plan.PlatformImage, **instead: Any) -> None:
        """Push an image with labels that are right but for `instead`, and check it."""
        labels = {
            key: value
            for key, value in {**labels_of(image), **instead.get("labels", {})}.items()
            if value
        }
        platform = instead.get("platform", image.platform)
        entry = layouts.image(self._directory, platform, labels=labels)
        for blob in (self._directory / "blobs/sha256").iterdir():
            self.registry.blobs[f"sha256:{blob.name}"] = blob.read_bytes()
        manifest = self.registry.blobs[entry["digest"]]
        self.registry.push_manifest(manifest, layouts.MANIFEST, entry["digest"])
        self._verifier.check_manifest(image, entry["digest"])


@pytest.fixture
def pushed(tmp_path: Path) -> _Pushed:
    return _Pushed(tmp_path)


@pytest.mark.parametrize(
    "image",
    [
        _cli(),
        _cli(platform=ARM64),
        _cli(request(recipes.script())),
        _base(request()),
        _base(request(variant=DEV), ARM64),
    ],
    ids=str,
)
def test_an_image_with_the_right_labels_is_good(pushed: _Pushed, image: plan.PlatformImage) -> None:
    pushed.check(image)


def test_an_image_without_its_user_is_not(pushed: _Pushed, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(layouts, "USER", "")

    pushed.check(_base(request()))
    with pytest.raises(VerificationFailedError, match="runs as ''"):
        pushed.check(_cli())


def test_an_image_whose_layer_the_registry_has_lost_is_not(
    pushed: _Pushed, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(MemoryRegistry, "has_blob", lambda *_: False)

    with pytest.raises(VerificationFailedError, match="lacks its layer"):
        pushed.check(_cli())


@pytest.mark.parametrize("image", [_cli(), _base(request())], ids=["cli", "base"])
def test_an_image_of_another_platform_is_not(pushed: _Pushed, image: plan.PlatformImage) -> None:
    with pytest.raises(VerificationFailedError, match="is of arm64"):
        pushed.check(image, platform=ARM64)


@pytest.mark.parametrize("value", ["", "wrong"], ids=["missing", "wrong"])
@pytest.mark.parametrize("label", sorted(labels_of(_cli())))
def test_an_image_without_one_of_its_labels_is_not(pushed: _Pushed, label: str, value: str) -> None:
    with pytest.raises(VerificationFailedError, match=label):
        pushed.check(_cli(), labels={label: value})


@pytest.mark.parametrize(
    "label", ["pinnace.base-id", "pinnace.contract", "pinnace.user", "pinnace.variant"]
)
def test_a_base_has_labels_of_its_own(pushed: _Pushed, label: str) -> None:
    with pytest.raises(VerificationFailedError, match=label):
        pushed.check(_base(request()), labels={label: ""})


def test_an_image_over_its_budget_is_not(pushed: _Pushed) -> None:
    with pytest.raises(VerificationFailedError, match="allowed are 0"):
        pushed.check(_base(request(variant=replace(SLIM, budget=1))))


def test_an_image_that_did_not_arrive_is_an_error(pushed: _Pushed) -> None:
    verifier = Verifier(cast("Engine", None), pushed.registry, REPOSITORY)

    with pytest.raises(VerificationFailedError, match="does not hold what was pushed"):
        verifier.check_manifest(_cli(), f"sha256:{'0' * 64}")


@pytest.mark.parametrize("without", ["labels", "configuration"])
def test_what_is_no_image_is_an_error_and_no_traceback(pushed: _Pushed, without: str) -> None:
    data = b'{"architecture": "amd64"}'
    pushed.registry.push_blob(layouts.digest_of(data), data)
    document: dict[str, Any] = {"mediaType": layouts.MANIFEST, "layers": []}
    if without == "labels":
        document["config"] = {"digest": layouts.digest_of(data)}
    manifest = json.dumps(document).encode()
    digest = layouts.digest_of(manifest)
    pushed.registry.push_manifest(manifest, layouts.MANIFEST, digest)
    verifier = Verifier(cast("Engine", None), pushed.registry, REPOSITORY)

    with pytest.raises(PinnaceError):
        verifier.check_manifest(_cli(), digest)


class _Engine:
    """Stands in for an engine whose images go away, and whose containers do not.

    Attributes:
        pulls: how often it was asked to.
        names: what images were called.
        gone: how often an image that was pulled is gone when it is to be named.
        stays: how often an image that is removed stays all the same.
        removed: names that were removed.
    """

    def __init__(self, gone: int = 0, *, stays: int = 0) -> None:
        self.image = self.container = self
        self.stays = stays
        self.pulls = 0
        self.gone = gone
        self.names: list[str] = []
        self.removed: list[str] = []
        self.id = "c0ffee"

    def pull(self, *_: object, **__: object) -> None:
        self.pulls += 1

    def tag(self, _reference: str, name: str) -> None:
        if self.pulls <= self.gone:
            raise NoSuchImage(["docker"], 1, b"", b"No such image: x")
        self.names.append(name)

    def create(self, reference: str, **_: object) -> _Engine:
        assert reference in self.names
        return self

    def remove(self, names: Sequence[str], **_: object) -> None:
        self.removed += names
        self.stays -= 1

    def exists(self, name: str) -> bool:
        return name in self.removed and self.stays >= 0


def _refuse(_container: str) -> None:
    raise EngineUnavailableError("told to fail")


def _look(engine: _Engine, into: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Check the content of a base without looking at it."""
    monkeypatch.setattr(Verifier, "_copy", lambda *_: None)
    monkeypatch.setattr(smoke, "smoke", lambda *_, **__: None)
    client = cast("Engine", SimpleNamespace(whales=engine, remove=_refuse))
    verifier = Verifier(client, MemoryRegistry([]), REPOSITORY)
    verifier.check_content(_base(request()), f"sha256:{'0' * 64}", into)


def test_an_image_that_somebody_else_removed_is_pulled_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = _Engine(gone=2)

    _look(engine, tmp_path, monkeypatch)

    assert engine.pulls == 3
    # By a name that is nobody else's, and by the one that it was pulled by.
    (name,) = engine.names
    assert name.startswith(f"{REPOSITORY}/verifying:")
    assert engine.removed == [name, f"{REPOSITORY}@sha256:{'0' * 64}"]


def test_an_image_that_goes_away_each_time_is_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = _Engine(gone=1000)

    with pytest.raises(BuildFailedError, match="No such image"):
        _look(engine, tmp_path, monkeypatch)

    assert engine.pulls < 10
    assert engine.removed


def test_a_container_that_the_engine_does_not_let_go_fails_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    _look(_Engine(), tmp_path, monkeypatch)

    assert "stays: told to fail" in capsys.readouterr().err


@pytest.mark.parametrize(("stays", "times"), [(0, 1), (2, 3), (1000, 5)])
def test_an_image_that_stays_is_removed_again_for_a_while(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stays: int, times: int
) -> None:
    engine = _Engine(stays=stays)

    _look(engine, tmp_path, monkeypatch)

    assert len(engine.removed) == 2 * times
