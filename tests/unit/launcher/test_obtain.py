"""A missing image: pulled, else completed, else built; which failure leads where."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from pinnace import image as images
from pinnace.image import decide, provision, verify
from pinnace.image.claims import Wanted
from pinnace_builder import build as execute
from pinnace_core import built
from pinnace_core.errors import (
    BadProjectImageError,
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
from pinnace_images import contract
from pinnace_images.platforms import Platform
from pinnace_images.versions import CliVersion
from tests.support import hosts
from tests.support.launches import ImageStore, context

if TYPE_CHECKING:
    from pinnace_core.image import Image
    from pinnace_images.contract import Recipe

_WANTED = Wanted(CliVersion.parse(hosts.VERSION), "slim", "linux/amd64")
_BASE, _PLAIN = "registry.example/claude", ""


class Machine:
    """What pulling and building end in, and what was tried."""

    def __init__(self) -> None:
        self.pull: PinnaceError | None = None
        self.builds: dict[str, PinnaceError] = {}
        self.tried: list[str] = []
        self.store = ImageStore()
        self.unpublished = False

    def take(self, *_: Any) -> None:
        self.tried.append("pull")
        if self.pull:
            raise self.pull
        self.store.held.append(hosts.image())

    def locked(self, version: CliVersion, *, platforms: tuple[Platform, ...]) -> None:
        assert platforms == (Platform.parse(_WANTED.platform),)
        if self.unpublished:
            raise UnknownVersionError(f"the registry has no {version}", hint="check it")

    def build(
        self, _engine: object, _: CliVersion, *, variant: str, base_repository: str = ""
    ) -> None:
        assert variant == "slim"
        self.tried.append("complete" if base_repository else "build")
        if base_repository in self.builds:
            raise self.builds[base_repository]
        self.store.held.append(hosts.image())

    def derive(self, _engine: object, recipe: Recipe, *, fresh: bool) -> None:
        self.tried.append("refresh" if fresh else "derive")
        own = hosts.image(f"sha256:{len(self.tried)}", project=recipe.identity)
        self.store.held.insert(0, own._replace(tags=(recipe.name,)))

    def ensure(self, image: Image, _engine: object) -> None:
        self.tried.append(f"verify {image.id[:9]}")


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Machine:
    made = Machine()
    monkeypatch.setattr(images, "pull_published", made.take)
    monkeypatch.setattr(execute, "build", made.build)
    monkeypatch.setattr(execute, "locked", made.locked)
    monkeypatch.setattr(provision, "derive", made.derive)
    monkeypatch.setattr(verify, "ensure", made.ensure)
    return made


def _obtain(
    machine: Machine, repository: str = _BASE, variant: str = "slim", **settings: Any
) -> list[str]:
    here = context(machine.store, repository=repository, **settings)
    decision = decide.decide_image(here, _WANTED._replace(variant=variant))
    assert images.obtain(here, decision) in machine.store.held
    return [tried for tried in machine.tried if not tried.startswith("verify")]


def test_what_is_there_by_now_is_neither_pulled_nor_built(machine: Machine) -> None:
    here = context(machine.store, repository=_BASE)
    decision = decide.decide_image(here, _WANTED)
    machine.store.held = [hosts.image()]

    assert images.obtain(here, decision) == hosts.image()
    assert machine.tried == ["verify sha256:ab"]


def test_without_a_repository_it_is_built(machine: Machine) -> None:
    assert _obtain(machine, repository="") == ["build"]


def test_what_can_be_pulled_is_not_built(machine: Machine) -> None:
    assert _obtain(machine) == ["pull"]


def test_where_only_bases_are_published_one_is_completed(machine: Machine) -> None:
    machine.pull = ImageMissingError("no such tag")

    assert _obtain(machine) == ["pull", "complete"]


def test_where_no_base_is_either_it_is_built(machine: Machine) -> None:
    machine.pull = ImageMissingError("no such tag")
    machine.builds = {_BASE: BaseMissingError("no base")}

    assert _obtain(machine) == ["pull", "complete", "build"]


def test_a_base_that_the_environment_names_counts_first(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PINNACE_BASE_REPOSITORY", "registry.example/bases")
    machine.pull = ImageMissingError("no such tag")

    assert _obtain(machine) == ["pull", "build"]


@pytest.mark.parametrize("kind", [RegistryDeniedError, ImageRegistryError])
def test_a_registry_that_does_not_answer_is_not_asked_again(
    machine: Machine, kind: type[PinnaceError]
) -> None:
    machine.pull = kind("no")

    assert _obtain(machine) == ["pull", "build"]


def test_if_nothing_works_both_reasons_are_told(machine: Machine) -> None:
    machine.pull = ImageRegistryError("no answer from there")
    machine.builds = {_PLAIN: RegistryUnreachableError("npm does not answer", hint="wait")}

    with pytest.raises(RegistryUnreachableError) as raised:
        _obtain(machine)

    assert raised.value.message == "no answer from there; npm does not answer"
    assert raised.value.hint == "wait"


@pytest.mark.parametrize("kind", [VerificationFailedError, EngineUnavailableError])
def test_what_is_no_lack_is_not_built_around(machine: Machine, kind: type[PinnaceError]) -> None:
    machine.pull = kind("worse")

    with pytest.raises(kind, match="worse"):
        _obtain(machine)
    assert machine.tried == ["pull"]


@pytest.mark.parametrize("repository", ["", _BASE])
def test_a_variant_that_does_not_exist_is_no_build(
    machine: Machine, repository: str, capsys: pytest.CaptureFixture[str]
) -> None:
    machine.pull = ImageMissingError("no such tag")

    with pytest.raises(UsageError, match="there is no variant 'foo'") as raised:
        _obtain(machine, repository, variant="foo")
    assert "slim" in raised.value.hint
    assert machine.tried == (["pull"] if repository else [])
    assert "building" not in capsys.readouterr().err


@pytest.mark.parametrize("repository", ["", _BASE])
def test_a_version_that_does_not_exist_is_no_build(
    machine: Machine, repository: str, capsys: pytest.CaptureFixture[str]
) -> None:
    machine.pull, machine.unpublished = ImageMissingError("no such tag"), True

    with pytest.raises(UnknownVersionError, match=f"the registry has no {hosts.VERSION}"):
        _obtain(machine, repository)
    assert machine.tried == (["pull"] if repository else [])
    assert "building" not in capsys.readouterr().err


def test_a_build_is_announced(machine: Machine, capsys: pytest.CaptureFixture[str]) -> None:
    _obtain(machine, repository="")

    assert "(slim) yet: building it" in capsys.readouterr().err


def test_what_the_project_adds_is_built_on_a_base_that_was_verified(machine: Machine) -> None:
    here = context(machine.store, packages=("jq",))
    decision = decide.decide_image(here, _WANTED)

    image = images.obtain(here, decision)

    assert image.id == "sha256:3"
    assert machine.tried == ["build", "verify sha256:ab", "derive", "verify sha256:3"]


@pytest.mark.parametrize(("refresh", "tried"), [(True, ["refresh"]), (False, [])])
def test_what_the_project_adds_is_built_anew_only_if_told_to(
    machine: Machine, *, refresh: bool, tried: list[str]
) -> None:
    machine.store.held = [hosts.image()]
    _obtain(machine, "", packages=("jq",))
    machine.tried.clear()
    here = context(machine.store, packages=("jq",))

    images.obtain(here, decide.decide_image(here, _WANTED), refresh=refresh)

    assert [step for step in machine.tried if not step.startswith("verify")] == tried


@pytest.mark.parametrize("settings", [{}, {"packages": ("jq",)}, {"image": "mine/claude:1"}])
def test_nothing_is_got_where_nothing_may_be(machine: Machine, settings: dict[str, Any]) -> None:
    here = context(machine.store, provision=False, **settings)

    with pytest.raises(ImageMissingError):
        images.obtain(here, decide.decide_image(here, _WANTED))
    assert machine.tried == []


def test_a_name_that_is_none_is_neither_pulled_nor_built(machine: Machine) -> None:
    here = context(machine.store, image="--all")

    with pytest.raises(BadProjectImageError):
        images.obtain(here, decide.decide_image(here, _WANTED))
    assert machine.tried == []


def test_what_a_registry_says_is_told_as_it_is(
    machine: Machine, capsys: pytest.CaptureFixture[str]
) -> None:
    machine.pull = ImageRegistryError("no {answer} from there")

    _obtain(machine)

    assert "pinnace: no {answer} from there\npinnace: building" in capsys.readouterr().err


def test_a_build_that_leaves_no_image_is_no_loop(machine: Machine) -> None:
    here = context(ImageStore())

    with pytest.raises(ImageMissingError):
        images.obtain(here, decide.decide_image(here, _WANTED))
    assert machine.tried == ["build"]


@pytest.mark.parametrize("registry", ["", "docker.io/", "index.docker.io/", "localhost/"])
@pytest.mark.parametrize("end", ["", ":9.9.9-slim", f"@sha256:{'0' * 64}"])
def test_a_strangers_image_never_gets_the_name_of_one_that_was_made_here(
    registry: str, end: str
) -> None:
    with pytest.raises(BadProjectImageError, match="never pulled"):
        images._pull(context(ImageStore()), f"{registry}pinnace/claude{end}", "linux/amd64")  # noqa: SLF001


def test_a_gateways_image_is_found_or_built_or_missed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(provision, "gateway", lambda _: "sha256:built")
    labels = {contract.LABEL_GATEWAY: str(contract.GATEWAY_VERSION)}
    there = hosts.image()._replace(tags=(contract.GATEWAY_NAME,), labels=labels)
    older = there._replace(labels={contract.LABEL_GATEWAY: "0"})

    # Anybody can load an archive with that name, and it gets the keys.
    assert images.gateway(context(ImageStore(there))) == "sha256:built"
    built.record(there.id)
    built.record(older.id)
    assert images.gateway(context(ImageStore(there))) == there.id
    assert images.gateway(context(ImageStore())) == "sha256:built"
    assert images.gateway(context(ImageStore(older))) == "sha256:built"
    with pytest.raises(ImageMissingError, match="gateway"):
        images.gateway(context(ImageStore(), provision=False))
