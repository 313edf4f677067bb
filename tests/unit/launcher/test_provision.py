"""A missing image: pulled, else completed, else built; which failure leads where."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from pinnace.image import provision, published
from pinnace.image.images import Wanted
from pinnace_builder import build as execute
from pinnace_core.engine.docker import Docker
from pinnace_core.errors import (
    BaseMissingError,
    EngineUnavailableError,
    ImageMissingError,
    ImageRegistryError,
    PinnaceError,
    RegistryDeniedError,
    RegistryUnreachableError,
    UnknownVersionError,
    UsageError,
    VerificationFailedError,
)
from pinnace_images.platforms import Platform
from pinnace_images.versions import CliVersion
from tests.support import hosts

if TYPE_CHECKING:
    from pathlib import Path

    from pinnace.image.images import LocalImage

_WANTED = Wanted(CliVersion.parse(hosts.VERSION), "slim", "linux/amd64")
_BASE, _PLAIN = "registry.example/claude", ""


class Machine:
    """What pulling and building end in, and what was tried."""

    def __init__(self) -> None:
        self.pull: PinnaceError | None = None
        self.builds: dict[str, PinnaceError] = {}
        self.tried: list[str] = []
        self.image: LocalImage | None = None
        self.unpublished = False

    def take(self, *_: Any) -> None:
        self.tried.append("pull")
        if self.pull:
            raise self.pull

    def locked(self, version: CliVersion, *, platforms: tuple[Platform, ...]) -> None:
        assert platforms == (Platform.parse(_WANTED.platform),)
        if self.unpublished:
            raise UnknownVersionError(f"the registry has no {version}", hint="check it")

    def build(self, _: CliVersion, *, variant: str, base_repository: str = "") -> None:
        assert variant == "slim"
        self.tried.append("complete" if base_repository else "build")
        if base_repository in self.builds:
            raise self.builds[base_repository]


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Machine:
    made = Machine()
    monkeypatch.setattr(published, "take", made.take)
    monkeypatch.setattr(execute, "build", made.build)
    monkeypatch.setattr(execute, "locked", made.locked)
    return made


def _obtain(
    machine: Machine, tmp_path: Path, repository: str = _BASE, variant: str = "slim"
) -> list[str]:
    provision.obtain(
        Docker("unix:///engine.sock"),
        _WANTED._replace(variant=variant),
        repository=repository,
        records=tmp_path,
        look=lambda: machine.image,
    )
    return machine.tried


def test_what_is_there_by_now_is_neither_pulled_nor_built(machine: Machine, tmp_path: Path) -> None:
    machine.image = hosts.image()

    assert _obtain(machine, tmp_path) == []


def test_without_a_repository_it_is_built(machine: Machine, tmp_path: Path) -> None:
    assert _obtain(machine, tmp_path, repository="") == ["build"]


def test_what_can_be_pulled_is_not_built(machine: Machine, tmp_path: Path) -> None:
    assert _obtain(machine, tmp_path) == ["pull"]


def test_where_only_bases_are_published_one_is_completed(machine: Machine, tmp_path: Path) -> None:
    machine.pull = ImageMissingError("no such tag")

    assert _obtain(machine, tmp_path) == ["pull", "complete"]


def test_where_no_base_is_either_it_is_built(machine: Machine, tmp_path: Path) -> None:
    machine.pull = ImageMissingError("no such tag")
    machine.builds = {_BASE: BaseMissingError("no base")}

    assert _obtain(machine, tmp_path) == ["pull", "complete", "build"]


def test_a_base_that_the_environment_names_counts_first(
    machine: Machine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PINNACE_BASE_REPOSITORY", "registry.example/bases")
    machine.pull = ImageMissingError("no such tag")

    assert _obtain(machine, tmp_path) == ["pull", "build"]


@pytest.mark.parametrize("kind", [RegistryDeniedError, ImageRegistryError])
def test_a_registry_that_does_not_answer_is_not_asked_again(
    machine: Machine, tmp_path: Path, kind: type[PinnaceError]
) -> None:
    machine.pull = kind("no")

    assert _obtain(machine, tmp_path) == ["pull", "build"]


def test_if_nothing_works_both_reasons_are_told(machine: Machine, tmp_path: Path) -> None:
    machine.pull = ImageRegistryError("no answer from there")
    machine.builds = {_PLAIN: RegistryUnreachableError("npm does not answer", hint="wait")}

    with pytest.raises(RegistryUnreachableError) as raised:
        _obtain(machine, tmp_path)

    assert raised.value.message == "no answer from there; npm does not answer"
    assert raised.value.hint == "wait"


@pytest.mark.parametrize("kind", [VerificationFailedError, EngineUnavailableError])
def test_what_is_no_lack_is_not_built_around(
    machine: Machine, tmp_path: Path, kind: type[PinnaceError]
) -> None:
    machine.pull = kind("worse")

    with pytest.raises(kind, match="worse"):
        _obtain(machine, tmp_path)
    assert machine.tried == ["pull"]


@pytest.mark.parametrize("repository", ["", _BASE])
def test_a_variant_that_does_not_exist_is_no_build(
    machine: Machine, tmp_path: Path, repository: str, capsys: pytest.CaptureFixture[str]
) -> None:
    machine.pull = ImageMissingError("no such tag")

    with pytest.raises(UsageError, match="there is no variant 'foo'") as raised:
        _obtain(machine, tmp_path, repository, variant="foo")
    assert "slim" in raised.value.hint
    assert machine.tried == (["pull"] if repository else [])
    assert "building" not in capsys.readouterr().err


@pytest.mark.parametrize("repository", ["", _BASE])
def test_a_version_that_does_not_exist_is_no_build(
    machine: Machine, tmp_path: Path, repository: str, capsys: pytest.CaptureFixture[str]
) -> None:
    machine.pull, machine.unpublished = ImageMissingError("no such tag"), True

    with pytest.raises(UnknownVersionError, match=f"the registry has no {hosts.VERSION}"):
        _obtain(machine, tmp_path, repository)
    assert machine.tried == (["pull"] if repository else [])
    assert "building" not in capsys.readouterr().err


def test_a_build_is_announced(
    machine: Machine, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _obtain(machine, tmp_path, repository="")

    assert "(slim) yet: building it" in capsys.readouterr().err
