"""What a build for publishing is told: whole argument lists, with nothing built."""

from __future__ import annotations

import csv
import shlex
from typing import TYPE_CHECKING, Any, Final, cast

import pytest

from pinnace_builder import base
from pinnace_builder.publish import plan
from pinnace_builder.publish.build_platform import PlatformBuilder
from pinnace_core import retry
from pinnace_core.engine import buildx
from pinnace_core.engine.buildx import Cache
from pinnace_core.errors import BuildFailedError
from pinnace_core.retry import RetryPolicy, TransientError
from pinnace_images import contract
from pinnace_images.platforms import Platform
from pinnace_images.versions import CliVersion
from tests.unit.builder import recipes
from tests.unit.builder.publish import layouts
from tests.unit.builder.recipes import AMD64, ARM64, DISTRIBUTIONS, request

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from python_on_whales import DockerClient

    from pinnace_core.engine.buildx import Build

_STANDING: Final = f"sha256:{'5a' * 32}"
_BASE: Final = plan.base_image(request(), ARM64, DISTRIBUTIONS[ARM64])
_CLI: Final = plan.cli_image(request(), _BASE)


def _building(**fields: Any) -> PlatformBuilder:
    usual = {
        "client": cast("DockerClient", None),
        "repository": "registry.example/claude",
        "compression": "zstd",
        "cache": Cache(),
        "builders": {},
        "previous": {CliVersion(2, 1, 330): CliVersion(2, 1, 329)},
        "attesting": True,
    }
    return PlatformBuilder(**{**usual, **fields})


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retry, "DEFAULT_POLICY", RetryPolicy(attempts=3, first_seconds=0.0001))


class _Builder:
    """Stands in for buildx: remembers what it is told, and writes a layout."""

    def __init__(self) -> None:
        self.builds: list[Build] = []
        self.errors: list[Exception] = []

    def run(self, _client: object, build: Build) -> None:
        self.builds.append(build)
        target = build.context.parent / "layout"
        assert not target.exists()
        layouts.write(target, Platform.parse(build.platform), labels={})
        if self.errors:
            raise self.errors.pop(0)

    def argv(self) -> list[str]:
        """Return the last one's arguments, with a fixed place for what is temporary."""
        build = self.builds[-1]
        argv = buildx.arguments(build, progress="plain")
        place = str(build.context.parent)
        for old, new in {place: "/tmp/x", _BASE.id: "BASE-ID", _CLI.id: "BUILD-ID"}.items():  # noqa: S108 (not used)
            argv = [argument.replace(old, new) for argument in argv]
        return argv


@pytest.fixture
def builder(monkeypatch: pytest.MonkeyPatch) -> _Builder:
    """No buildx, no package, none of the machine's proxies."""
    made = _Builder()
    monkeypatch.setattr(buildx, "run", made.run)
    monkeypatch.setattr("pinnace_builder.build.stage", lambda *_: None)
    for name in (*buildx.PROXIES, *map(str.lower, buildx.PROXIES)):
        monkeypatch.delenv(name, raising=False)
    return made


def _lines(argv: list[str]) -> str:
    return "\n".join(map(shlex.quote, argv)) + "\n"


def test_a_base_for_publishing(
    tmp_path: Path,
    builder: _Builder,
    monkeypatch: pytest.MonkeyPatch,
    golden: Callable[[str, str], None],
) -> None:
    (tmp_path / "ca.pem").touch()
    monkeypatch.setenv(base.CA_VARIABLE, str(tmp_path / "ca.pem"))
    monkeypatch.setenv(base.MIRROR_VARIABLE, "https://mirror.example/debian")
    monkeypatch.setenv("https_proxy", "http://user:secret@proxy.example")

    made = _building(builders={ARM64: "far"}).build(_BASE, "", tmp_path)

    assert made.digest.startswith("sha256:")
    golden("buildx-publish-base.txt", _lines(builder.argv()))


def test_an_image_for_publishing(
    tmp_path: Path, builder: _Builder, golden: Callable[[str, str], None]
) -> None:
    _building().build(_CLI, _STANDING, tmp_path)

    golden("buildx-publish-cli.txt", _lines(builder.argv()))


def test_an_image_of_the_time_of_node_has_its_own_base_and_cache(
    tmp_path: Path, builder: _Builder
) -> None:
    asked = request(recipes.script())
    image = plan.cli_image(asked, plan.base_image(asked, AMD64, DISTRIBUTIONS[AMD64]))

    _building(previous={}).build(image, _STANDING, tmp_path)

    imports = [a.rpartition(":")[2] for a in builder.argv() if a.startswith("--cache-from=")]
    assert imports == ["cache-1.0.128-slim-amd64", "cache-base-slim-node-amd64"]


def test_a_base_has_no_build_id_and_an_image_no_base_of_its_own(
    tmp_path: Path, builder: _Builder
) -> None:
    for name, image in (("base", _BASE), ("cli", _CLI)):
        (tmp_path / name).mkdir()
        _building().build(image, _STANDING, tmp_path / name)

    of_base, of_cli = (dict(build.labels) for build in builder.builds)
    assert of_base[contract.LABEL_BASE_ID] == _BASE.id
    assert contract.LABEL_BUILD_ID not in of_base
    assert of_cli == {contract.LABEL_BUILD_ID: _CLI.id}


def test_the_cli_is_put_on_the_published_base_by_digest(tmp_path: Path, builder: _Builder) -> None:
    _building().build(_CLI, _STANDING, tmp_path)

    found = set(builder.builds[0].contexts.values())
    assert found == {f"docker-image://registry.example/claude@{_STANDING}"}
    assert "base" in builder.builds[0].contexts


def test_a_base_is_the_same_for_every_cli_that_stands_on_it(
    tmp_path: Path, builder: _Builder
) -> None:
    other = plan.base_image(request(recipes.native("2.1.331")), ARM64, DISTRIBUTIONS[ARM64])
    told = []
    for name, image in (("one", _BASE), ("other", other)):
        (tmp_path / name).mkdir()
        _building().build(image, "", tmp_path / name)
        told.append(builder.argv())

    assert told[0] == told[1]


@pytest.mark.parametrize("compression", ["zstd", "gzip"])
def test_compression_is_fixed_and_the_same_for_images_and_caches(
    tmp_path: Path, builder: _Builder, compression: str
) -> None:
    _building(compression=compression).build(_CLI, _STANDING, tmp_path)

    for option in ("--output=", "--cache-to="):
        (value,) = (a.removeprefix(option) for a in builder.argv() if a.startswith(option))
        fields = dict(field.split("=", 1) for field in value.split(","))
        assert fields["compression"] == compression
        assert fields["compression-level"].isdigit()
        assert fields["force-compression"] == "true"


def test_without_attestations_and_cache_none_is_asked_for(
    tmp_path: Path, builder: _Builder
) -> None:
    _building(attesting=False, cache=Cache("none"), fresh=True).build(_CLI, _STANDING, tmp_path)

    argv = builder.argv()
    assert "--provenance=false" in argv
    assert "--no-cache" in argv
    assert not any(a.startswith("--cache") for a in argv)


def test_what_passes_is_tried_again_in_an_empty_place(tmp_path: Path, builder: _Builder) -> None:
    failed = BuildFailedError("the build failed: 503 Service Unavailable")
    builder.errors = [TransientError(failed), TransientError(failed)]

    _building().build(_CLI, _STANDING, tmp_path)

    assert len(builder.builds) == 3


def test_what_does_not_pass_is_not(tmp_path: Path, builder: _Builder) -> None:
    builder.errors = [BuildFailedError("the build failed: not found")] * 2

    with pytest.raises(BuildFailedError):
        _building().build(_CLI, _STANDING, tmp_path)

    assert len(builder.builds) == 1


def test_attempts_end(tmp_path: Path, builder: _Builder) -> None:
    failed = BuildFailedError("the build failed: 503 Service Unavailable")
    builder.errors = [retry.TransientError(failed)] * 9

    with pytest.raises(BuildFailedError) as caught:
        _building().build(_CLI, _STANDING, tmp_path)

    assert caught.value is failed
    assert len(builder.builds) == 3


def test_a_temporary_directory_may_have_a_comma_in_its_name(
    tmp_path: Path, builder: _Builder
) -> None:
    place = tmp_path / "a,b"
    place.mkdir()

    _building().build(_CLI, _STANDING, place)

    fields = next(csv.reader([builder.builds[0].output], strict=True))
    assert f"dest={place}/layout" in fields
