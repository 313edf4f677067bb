"""Where a base comes from, and how one is bootstrapped."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Final, cast

import pytest
from python_on_whales.exceptions import DockerException

from pinnace_builder.base import (
    CA_VARIABLE,
    MIRROR_VARIABLE,
    REPOSITORY_VARIABLE,
    Base,
    Mirror,
    bootstrapped_tag,
    mmdebstrap_command,
    pinned_reference,
    published,
    write_secrets,
)
from pinnace_core.errors import BaseMissingError, CannotReadError
from pinnace_images import contract
from pinnace_images.platforms import SUPPORTED, Platform
from tests.unit.builder import recipes

if TYPE_CHECKING:
    from collections.abc import Callable

    from pinnace_core.engine import Engine

_AMD64, _ARM64 = SUPPORTED
_SINGLE: Final = f"sha256:{'0b' * 32}"
_SPEC: Final = recipes.BASE.model_copy(update={"platforms": {"linux/arm64": _SINGLE}})
_ARCHIVE: Final = Path("/somewhere/base.tar")


@pytest.mark.parametrize(
    ("value", "mirror"),
    [
        ("", Mirror()),
        ("  ", Mirror()),
        ("/", Mirror()),
        ("registry.example", Mirror(images="registry.example")),
        ("registry.example:5000/hub", Mirror(images="registry.example:5000/hub")),
        ("registry.example/hub/", Mirror(images="registry.example/hub")),
        (" registry.example/hub ", Mirror(images="registry.example/hub")),
        ("https://mirror.example/debian", Mirror(packages="https://mirror.example/debian")),
        ("http://mirror.example/debian/", Mirror(packages="http://mirror.example/debian")),
        ("file:///srv/debian", Mirror(packages="file:///srv/debian")),
    ],
)
def test_a_mirror_with_a_scheme_is_for_packages_one_without_for_images(
    value: str, mirror: Mirror
) -> None:
    assert Mirror.from_environment({MIRROR_VARIABLE: value}) == mirror


def test_without_the_variable_there_is_no_mirror() -> None:
    assert Mirror.from_environment({}) == Mirror()


@pytest.mark.parametrize(
    ("mirror", "prefix"),
    [
        (Mirror(), ""),
        (Mirror(images="registry.example/hub"), "registry.example/hub/"),
        (Mirror(packages="https://mirror.example/debian"), ""),
    ],
    ids=["no mirror", "images", "packages"],
)
def test_the_base_is_pulled_by_digest_never_by_tag(mirror: Mirror, prefix: str) -> None:
    # A mirror may hold single platforms only: a digest of the platform's own is preferred.
    assert pinned_reference(_SPEC, _ARM64, mirror) == f"{prefix}debian@{_SINGLE}"
    assert pinned_reference(_SPEC, _AMD64, mirror) == f"{prefix}debian@{recipes.LIST}"


@pytest.mark.parametrize("platform", SUPPORTED, ids=str)
def test_a_bootstrapped_base_has_a_name_of_its_own_per_platform(platform: Platform) -> None:
    # Under localhost/, so that no engine ever asks a registry for it.
    expected = f"localhost/pinnace/base:trixie-20260101-{platform.architecture}"

    assert bootstrapped_tag(_SPEC, platform) == expected


@pytest.mark.parametrize("platform", SUPPORTED, ids=str)
@pytest.mark.parametrize(
    ("mirror", "suffix"),
    [(Mirror(), ""), (Mirror(packages="https://mirror.example/debian"), "-mirror")],
    ids=["no mirror", "mirror"],
)
def test_bootstrapping_command(
    platform: Platform, mirror: Mirror, suffix: str, golden: Callable[[str, str], None]
) -> None:
    command = mmdebstrap_command(_SPEC, platform, mirror, _ARCHIVE)

    golden(f"mmdebstrap-{platform.architecture}{suffix}.txt", "\n".join(command) + "\n")


def test_a_mirror_of_images_is_not_asked_for_packages() -> None:
    with_mirror = mmdebstrap_command(_SPEC, _AMD64, Mirror(images="registry.example"), _ARCHIVE)

    assert with_mirror == mmdebstrap_command(_SPEC, _AMD64, Mirror(), _ARCHIVE)


@pytest.mark.parametrize("environment", [{}, {CA_VARIABLE: ""}, {CA_VARIABLE: "  "}])
@pytest.mark.parametrize("mirror", [Mirror(), Mirror(images="registry.example/hub")])
def test_without_a_bundle_and_a_package_mirror_there_are_no_secrets(
    tmp_path: Path, mirror: Mirror, environment: dict[str, str]
) -> None:
    assert write_secrets(_SPEC, mirror, environment, tmp_path) == {}
    assert list(tmp_path.iterdir()) == []


def test_a_ca_bundle_is_handed_on_as_it_is(tmp_path: Path) -> None:
    bundle = tmp_path / "ca bundle.pem"
    bundle.touch()

    secrets = write_secrets(_SPEC, Mirror(), {CA_VARIABLE: f" {bundle} "}, tmp_path)

    assert secrets == {"pinnace-ca": bundle}


@pytest.mark.parametrize("name", ["absent.pem", "."], ids=["absent", "a directory"])
def test_a_ca_bundle_that_is_no_file_is_an_error_that_names_it(tmp_path: Path, name: str) -> None:
    bundle = str(tmp_path / name)

    with pytest.raises(CannotReadError, match="is no file") as caught:
        write_secrets(_SPEC, Mirror(), {CA_VARIABLE: bundle}, tmp_path)

    assert CA_VARIABLE in caught.value.message
    assert bundle in caught.value.message
    assert caught.value.exit_code == 66
    assert caught.value.hint


def test_a_package_mirror_becomes_a_list_of_sources(tmp_path: Path) -> None:
    mirror = Mirror(packages="https://mirror.example/debian")

    secrets = write_secrets(_SPEC, mirror, {}, tmp_path)

    assert list(secrets) == ["pinnace-sources"]
    # Signed by Debian, whoever runs the mirror.
    assert secrets["pinnace-sources"].read_text() == (
        "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] "
        "https://mirror.example/debian trixie main\n"
    )


class _Engine:
    """An engine that pulls one image."""

    def __init__(self, *digests: str, **labels: str) -> None:
        self.image = self
        self.pulled: list[tuple[str, str]] = []
        self.error: DockerException | None = None
        self.repo_digests, self.config = list(digests), SimpleNamespace(labels=labels)

    def pull(self, name: str, *, platform: str, **_: Any) -> None:
        if self.error:
            raise self.error
        self.pulled.append((name, platform))

    def inspect(self, _name: str) -> _Engine:
        return self

    def published(self, repository: str) -> Base:
        """Ask for the base of slim in a repository."""
        return published(cast("Engine", SimpleNamespace(whales=self)), repository, "slim", _ARM64)


_OURS: Final = {contract.LABEL_CONTRACT: str(contract.CONTRACT_VERSION)}


def test_a_published_base_is_pulled_by_name_and_used_by_digest() -> None:
    engine = _Engine(f"other.example/x@{recipes.LIST}", f"mine.example/x@{_SINGLE}", **_OURS)

    found = engine.published("mine.example/x")

    assert engine.pulled == [("mine.example/x:base-slim", "linux/arm64")]
    assert found == Base("mine.example/x:base-slim", f"mine.example/x@{_SINGLE}", _SINGLE)


@pytest.mark.parametrize("repository", ["docker.io/me/x", "index.docker.io/me/x"])
def test_a_published_base_on_docker_hub_is_used_by_digest_too(repository: str) -> None:
    # The engine leaves the host out.
    found = _Engine(f"me/x@{_SINGLE}", **_OURS).published(repository)

    assert found.digest == _SINGLE
    assert found.reference.endswith(f"me/x@{_SINGLE}")


def test_a_base_that_cannot_be_pulled_is_an_error() -> None:
    engine = _Engine()
    engine.error = DockerException(["docker"], 1, stderr=b"denied: who are you?")

    with pytest.raises(BaseMissingError, match=r"base-slim cannot be pulled: denied") as caught:
        engine.published("mine.example/x")
    assert REPOSITORY_VARIABLE in caught.value.hint


@pytest.mark.parametrize("held", ["", "0", "1"])
def test_a_base_of_another_contract_is_an_error(held: str) -> None:
    labels = {contract.LABEL_CONTRACT: held} if held else {}

    with pytest.raises(BaseMissingError, match="is no base of contract version 2"):
        _Engine(f"mine.example/x@{_SINGLE}", **labels).published("mine.example/x")
