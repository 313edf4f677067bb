"""Building for the local engine: what it is told, and when an image gets its names."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Final

import pytest

from pinnace_builder import base, images_config, smoke
from pinnace_builder import build as execute
from pinnace_builder.base import Base
from pinnace_builder.render import BASE_DIGEST, base_id, build_id, identity_labels
from pinnace_core.engine import buildx, whales
from pinnace_core.errors import (
    BaseMissingError,
    BuildFailedError,
    PinnaceError,
    UnknownVersionError,
    VerificationFailedError,
)
from pinnace_core.retry import TransientError
from pinnace_images import contract, lock
from pinnace_images.lock import Lock, LockEntry
from pinnace_images.versions import CliVersion
from tests.unit.builder import recipes
from tests.unit.builder.machines import ID, Machine, MachineDocker
from tests.unit.builder.recipes import AMD64, ARM64, DISTRIBUTIONS, request

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from pinnace_builder.local import BuiltImage

_VERSION: Final = CliVersion(2, 1, 330)
_PUBLISHED: Final = f"sha256:{'5a' * 32}"


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Machine:
    """An engine that makes images for amd64, of a version that is locked."""
    made = Machine()
    expected = smoke.expected_labels(request(), AMD64)
    monkeypatch.setattr(whales, "image_id", made.image_id)
    monkeypatch.setattr(whales, "labels", lambda *_: expected | made.labels)
    monkeypatch.setattr(buildx, "run", made.run)
    monkeypatch.setattr(smoke, "smoke", made.smoke)
    monkeypatch.setattr(base, "ensure", lambda *_, **__: DISTRIBUTIONS[AMD64])
    monkeypatch.setattr(execute, "stage", lambda *_: None)
    _knows(monkeypatch, recipes.native())
    for name in (*buildx.PROXIES, *map(str.lower, buildx.PROXIES)):
        monkeypatch.delenv(name, raising=False)
    return made


def _knows(monkeypatch: pytest.MonkeyPatch, *entries: LockEntry) -> None:
    known = Lock({entry.version: entry for entry in entries})
    monkeypatch.setattr(lock, "load_known", lambda: known)


def _images(tmp_path: Path) -> images_config.Images:
    """Declare the variant and the base that tests share."""
    retention = images_config.Retention(newest=1, days=1)
    variants = {recipes.SLIM.name: recipes.SLIM}
    return images_config.Images(
        tmp_path / "x", recipes.BASE, (AMD64, ARM64), variants, recipes.GATEWAY, retention
    )


def _build(tmp_path: Path, machine: Machine) -> BuiltImage:
    return execute.build(MachineDocker(machine), _VERSION, images=_images(tmp_path))


def test_a_local_build(
    tmp_path: Path, machine: Machine, golden: Callable[[str, str], None]
) -> None:
    _build(tmp_path, machine)

    golden("buildx-local.txt", "\n".join(map(shlex.quote, machine.argv())) + "\n")


def test_an_image_that_passes_gets_its_names_and_loses_the_temporary_one(
    tmp_path: Path, machine: Machine
) -> None:
    built = _build(tmp_path, machine)

    assert built.built
    assert built.id == ID
    assert built.build_id == build_id(request(), AMD64, DISTRIBUTIONS[AMD64].digest)
    assert machine.names == list(built.tags)
    assert built.tags[0].endswith(f"2.1.330-slim-{built.build_id[:12]}")


def test_an_image_that_is_there_is_not_built_again(tmp_path: Path, machine: Machine) -> None:
    first = _build(tmp_path, machine)

    again = _build(tmp_path, machine)

    assert not again.built
    assert (again.id, again.tags, again.build_id) == (first.id, first.tags, first.build_id)
    assert len(machine.builds) == 1


@pytest.mark.parametrize("verb", ["tag", "inspect"])
def test_an_engine_that_refuses_is_an_error_of_ours_and_leaves_no_name(
    tmp_path: Path, machine: Machine, verb: str
) -> None:
    machine.refuses.add(verb)

    with pytest.raises(BuildFailedError, match="told to fail"):
        _build(tmp_path, machine)

    assert machine.names == []


def test_an_engine_that_does_not_name_what_is_there_is_an_error_of_ours(
    tmp_path: Path, machine: Machine
) -> None:
    _build(tmp_path, machine)
    machine.refuses.add("tag")

    with pytest.raises(BuildFailedError, match="told to fail"):
        _build(tmp_path, machine)


def test_an_engine_that_does_not_let_the_temporary_name_go_fails_nothing(
    tmp_path: Path, machine: Machine, capsys: pytest.CaptureFixture[str]
) -> None:
    machine.refuses.add("remove")

    built = _build(tmp_path, machine)

    assert set(built.tags) < set(machine.names)
    assert "stays in the engine: told to fail" in capsys.readouterr().err


def test_what_failed_is_said_whatever_happens_to_the_temporary_name(
    tmp_path: Path, machine: Machine
) -> None:
    machine.refuses.add("remove")
    machine.smokes = False

    with pytest.raises(VerificationFailedError, match="setuid"):
        _build(tmp_path, machine)


def test_an_image_that_does_not_pass_leaves_no_name(tmp_path: Path, machine: Machine) -> None:
    machine.smokes = False

    with pytest.raises(VerificationFailedError, match="setuid"):
        _build(tmp_path, machine)

    assert machine.names == []


@pytest.mark.parametrize("label", sorted(smoke.expected_labels(request(), AMD64)))
def test_an_image_with_a_wrong_label_leaves_no_name(
    tmp_path: Path, machine: Machine, label: str
) -> None:
    machine.labels = {label: "wrong"}

    with pytest.raises(VerificationFailedError, match=label):
        _build(tmp_path, machine)

    assert machine.names == []


@pytest.mark.parametrize("passes", [True, False])
def test_a_build_that_fails_is_one_of_our_errors_whether_it_may_pass_or_not(
    tmp_path: Path, machine: Machine, *, passes: bool
) -> None:
    failed = BuildFailedError("the build failed")
    machine.error = TransientError(failed) if passes else failed

    with pytest.raises(BuildFailedError) as caught:
        _build(tmp_path, machine)

    assert caught.value is failed
    assert machine.names == []


def test_an_image_gets_the_identity_of_what_it_stands_on(tmp_path: Path, machine: Machine) -> None:
    _build(tmp_path, machine)

    (build,) = machine.builds
    found = DISTRIBUTIONS[AMD64]
    labels = identity_labels(request(), AMD64, name=found.name, digest=found.digest)
    assert build.labels == labels
    assert build.contexts == {"distribution": f"docker-image://{found.reference}"}
    assert build.epoch == recipes.LATER_EPOCH


def test_on_a_published_base_nothing_but_the_cli_is_added(
    tmp_path: Path, machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    def published(_client: object, repository: str, flavour: str, _platform: object) -> Base:
        asked.append((repository, flavour))
        recipe = base_id(request(), AMD64, recipes.LIST)
        labels = {BASE_DIGEST: recipes.LIST, contract.LABEL_BASE_ID: recipe}
        where = f"{repository}@{_PUBLISHED}"
        return Base(f"{repository}:base-{flavour}", where, _PUBLISHED, labels)

    monkeypatch.setenv(base.REPOSITORY_VARIABLE, " registry.example/claude ")
    monkeypatch.setattr(base, "published", published)

    built = _build(tmp_path, machine)

    assert asked == [("registry.example/claude", "slim")]
    (build,) = machine.builds
    place = f"docker-image://registry.example/claude@{_PUBLISHED}"
    assert build.contexts == {"base": place, "distribution": place}
    # What the base stands on, its own labels say.
    assert build.labels == {contract.LABEL_BUILD_ID: built.build_id}
    assert built.build_id == build_id(request(), AMD64, _PUBLISHED)


def test_a_published_base_of_another_declaration_is_refused(
    tmp_path: Path, machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    def published(*_: object) -> Base:
        return Base("x:base-slim", f"x@{_PUBLISHED}", _PUBLISHED, {BASE_DIGEST: recipes.LIST})

    monkeypatch.setenv(base.REPOSITORY_VARIABLE, "registry.example/claude")
    monkeypatch.setattr(base, "published", published)

    with pytest.raises(BaseMissingError, match="another declaration"):
        _build(tmp_path, machine)
    assert machine.builds == []


@pytest.fixture
def _nothing_resolved(monkeypatch: pytest.MonkeyPatch) -> None:
    def resolve_nothing(version: CliVersion, **_: object) -> LockEntry:
        raise UnknownVersionError(f"{version} is not published")

    monkeypatch.setattr(execute, "resolve", resolve_nothing)


@pytest.mark.usefixtures("_nothing_resolved")
def test_what_is_locked_is_not_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    for entry in (recipes.native(), recipes.script()):
        _knows(monkeypatch, entry)

        assert execute.locked(entry.version, platforms=(AMD64, ARM64)) == entry


@pytest.mark.usefixtures("_nothing_resolved")
def test_a_version_that_is_for_one_platform_only_is_built_for_that_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _knows(monkeypatch, recipes.native(platforms=[AMD64]))

    asked = execute.request_for(
        _VERSION, variant="slim", platforms=(AMD64, ARM64), images=_images(tmp_path)
    )

    assert asked.platforms == (AMD64,)


@pytest.mark.usefixtures("_nothing_resolved")
@pytest.mark.parametrize("entries", [(), (recipes.native(platforms=[AMD64]),)])
def test_a_version_that_is_for_no_platform_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, entries: tuple[LockEntry, ...]
) -> None:
    _knows(monkeypatch, *entries)

    with pytest.raises(UnknownVersionError):
        execute.request_for(_VERSION, variant="slim", platforms=(ARM64,), images=_images(tmp_path))


def test_what_is_resolved_is_kept_beside_what_was_locked(monkeypatch: pytest.MonkeyPatch) -> None:
    _knows(monkeypatch, recipes.native(platforms=[AMD64]))
    found = recipes.native(platforms=[ARM64])

    def resolve_missing(version: CliVersion, *, only: set[tuple[str, str]]) -> LockEntry:
        assert version == _VERSION
        assert only == {("linux/arm64", "glibc")}
        return found

    monkeypatch.setattr(execute, "resolve", resolve_missing)

    entry = execute.locked(_VERSION, platforms=(AMD64, ARM64))

    assert entry.is_for(AMD64)
    assert entry.is_for(ARM64)
    assert lock.load(lock.user_lock()).entries[_VERSION].is_for(ARM64)


def test_an_unknown_variant_is_an_error_before_the_registry_is_asked(tmp_path: Path) -> None:
    with pytest.raises(PinnaceError, match="there is no variant"):
        execute.request_for(_VERSION, variant="huge", platforms=(AMD64,), images=_images(tmp_path))
