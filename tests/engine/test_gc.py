"""Retention in a real registry and a real engine."""

from __future__ import annotations

import json
import os
import secrets
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

import pytest
from filelock import FileLock, Timeout

from pinnace_builder.registry import Registry, RetryPolicy, lock_name
from pinnace_builder.retention import Repository
from pinnace_builder.retention.images import Images
from pinnace_builder.retention.policy import Policy
from pinnace_builder.retention.scan import read
from pinnace_core import host
from pinnace_core.engine import of_builds
from pinnace_core.engine.docker import Docker
from pinnace_core.errors import ImageRegistryError, RegistryDeniedError
from pinnace_images import contract
from pinnace_images.versions import Specifier
from tests.engine.conftest import docker
from tests.support.registry import FaultyProxy, RealRegistry
from tests.support.repositories import NOW, Made

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_LOCAL: Final = f"pinnace-gc-test-{secrets.token_hex(4)}/claude"
"""One worker's, so that nothing else is looked at."""
_QUICK: Final = RetryPolicy(attempts=2, first_seconds=0.01, most_seconds=0.02)
_POLICY: Final = Policy(1, 90, (), NOW)


@pytest.fixture(autouse=True)
def _own_directories(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "docker").mkdir()
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path / "docker"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def _repository(server: RealRegistry | FaultyProxy) -> Repository:
    name = f"{server.address}/team/claude"
    return Repository(Registry(name, policy=_QUICK), name)


@pytest.fixture
def made(registry: RealRegistry) -> Made:
    """A few versions, signed, of which two go; pushed."""
    made = Made()
    made.publish("2.1.1", age=210, base="old", cache=True)
    made.publish("2.1.2", age=205, base="old", cache=True)
    made.publish("2.0.9", age=300, base="held", moves=["stable"])
    made.publish("2.1.3", age=200, base="new", cache=True, moves=["latest", "2.1"])
    made.publish("2.1.3", age=200, base="new", variant="dev")
    made.base_index("old", moving=False)
    for version, suffix in (("2.1.1", ".sig"), ("2.1.2", ""), ("2.1.3", ".sig"), ("2.0.9", "")):
        made.sign(made.tags[version], suffix)
    made.push(_repository(registry).registry)
    return made


def _require_whole(repository: Repository) -> None:
    """See that everything that has a name has all of its parts, blobs included."""
    found = read(repository.registry)
    reached = found.closure(found.tags.values())
    assert reached <= found.manifests.keys()
    blobs = {blob for digest in reached for blob in found.manifests[digest].blobs} - reached
    assert all(map(repository.registry.has_blob, blobs))


def test_what_is_read_is_what_was_pushed(registry: RealRegistry, made: Made) -> None:
    assert read(_repository(registry).registry) == made.snapshot()


def test_a_preview_deletes_nothing(registry: RealRegistry, made: Made) -> None:
    with FaultyProxy(registry) as proxy:
        planned = _repository(proxy).plan(_POLICY)

        assert planned.gone
        assert {method for method, _, _ in proxy.log} <= {"GET", "HEAD"}
    assert _repository(registry).registry.tags() == sorted(made.tags)


def test_what_goes_is_gone_and_what_stays_is_whole(registry: RealRegistry, made: Made) -> None:
    repository, before = _repository(registry), registry.size()

    done = repository.apply(_POLICY)

    gone = {tag for item in done.gone for tag in item.what.split(", ")}
    left = set(repository.registry.tags())
    assert left == made.tags.keys() - gone == {item.what for item in done.kept}
    assert {"2.1.1", "2.1.2-slim", "cache-2.1.2-slim-amd64"} <= gone
    assert {"2.0.9", "stable", "2.1.3-dev", "latest", "2.1"} <= left
    assert len([tag for tag in gone if tag.startswith("sha256-")]) == 2
    assert len([tag for tag in gone if tag.startswith("base-")]) == 3
    registry.collect_garbage()
    assert registry.size() < before
    _require_whole(repository)
    assert repository.apply(_POLICY).gone == ()


def test_a_collection_frees_about_what_was_said(registry: RealRegistry, made: Made) -> None:
    assert made.tags
    before = {digest: len(registry.blob_bytes(digest)) for digest in registry.blob_digests()}

    done = _repository(registry).apply(_POLICY)
    registry.collect_garbage()

    freed = sum(before[digest] for digest in before.keys() - registry.blob_digests())
    assert freed == done.size > 0


@pytest.mark.parametrize("number", [1, 2, 5, 11])
def test_an_interruption_leaves_everything_whole(
    registry: RealRegistry, made: Made, number: int
) -> None:
    deletions = 0

    def breaks(method: str, _path: str) -> bool:
        nonlocal deletions
        deletions += method == "DELETE"
        return method == "DELETE" and deletions >= number

    with FaultyProxy(registry) as proxy:
        proxy.fail(99, 503, breaks)
        with pytest.raises(ImageRegistryError):
            _repository(proxy).apply(_POLICY)

    _require_whole(_repository(registry))
    expected = {item.what for item in Repository.plan(_repository(registry), _POLICY).kept}
    assert {item.what for item in _repository(registry).apply(_POLICY).kept} == expected
    assert expected < made.tags.keys()
    _require_whole(_repository(registry))


def test_a_registry_without_deletion_is_a_clear_error(registry: RealRegistry, made: Made) -> None:
    with FaultyProxy(registry) as proxy:
        proxy.fail(99, 405, lambda method, _: method == "DELETE")
        with pytest.raises(RegistryDeniedError, match="does not allow") as caught:
            _repository(proxy).apply(_POLICY)

    assert "configuration" in caught.value.hint
    assert _repository(registry).registry.tags() == sorted(made.tags)


@pytest.mark.usefixtures("made")
def test_nothing_is_published_from_here_meanwhile(registry: RealRegistry) -> None:
    free: list[str] = []

    def look(method: str, _path: str) -> None:
        try:
            with FileLock(path, timeout=0):
                free.append(method)
        except Timeout:
            pass

    with FaultyProxy(registry) as proxy:
        repository = _repository(proxy)
        path = host.directory("cache") / f"{lock_name(repository.name)}.lock"
        path.parent.mkdir(parents=True)
        proxy.on_request(look)
        assert repository.apply(_POLICY).gone
        assert free == []
        repository.plan(_POLICY)
    assert set(free) <= {"GET", "HEAD"}
    assert free


def test_two_hundred_tags_are_read_with_few_requests_at_once(registry: RealRegistry) -> None:
    made = Made()
    for patch in range(30):
        made.publish(f"2.1.{patch}", age=100 + patch, base=str(patch // 10))
    made.push(_repository(registry).registry)
    assert len(made.tags) > 150

    with FaultyProxy(registry) as proxy:
        found = read(_repository(proxy).registry)

        # Each tag, each manifest without one, each configuration of an image: once.
        untagged = found.manifests.keys() - found.tags.values()
        images = [held for held in found.manifests.values() if held.is_image]
        assert len(proxy.log) == 1 + len(found.tags) + len(untagged) + len(images)
    assert found == made.snapshot()


def test_an_image_that_lost_its_configuration_stays(registry: RealRegistry, made: Made) -> None:
    repository = _repository(registry)
    snapshot = made.snapshot()
    images = snapshot.images(made.tags["2.1.1"])
    for image in images:
        digest = made.manifests[image].document["config"]["digest"]
        name = digest.removeprefix("sha256:")
        links = registry.storage.rglob(f"_layers/sha256/{name}/link")
        for link in links:
            link.unlink()

    kept = {item.what: item.why for item in repository.plan(_POLICY).kept}

    assert kept["2.1.1"] == "no image of one version and variant"


def test_a_tag_that_goes_meanwhile_is_left_out(registry: RealRegistry, made: Made) -> None:
    own = _repository(registry).registry

    def interfere(method: str, path: str) -> None:
        if method == "GET" and "/tags/list" not in path:
            own.delete(made.tags["2.1.1"])

    with FaultyProxy(registry) as proxy:
        proxy.on_request(interfere)
        found = read(_repository(proxy).registry)

    assert "2.1.1" not in found.tags
    assert "2.1.2" in found.tags


def test_the_command_does_it_all(registry: RealRegistry, tmp_path: Path) -> None:
    made = Made(now=datetime.now(UTC))
    made.publish("2.1.1", age=100)
    made.publish("2.1.2", age=95, moves=["latest"])
    made.push(_repository(registry).registry)
    repository = f"{registry.address}/team/claude"
    argv = [sys.executable, "-m", "pinnace_builder", "gc", "--scope=registry", "--json"]
    argv += [f"--repository={repository}", "--newest=1", "--days=90"]
    environment = {**os.environ, "HOME": str(tmp_path)}

    def run(*more: str) -> tuple[int, dict[str, object]]:
        done = subprocess.run(
            [*argv, *more], check=False, capture_output=True, text=True, env=environment
        )
        return len(_repository(registry).registry.tags()), json.loads(done.stdout)["result"]

    tags, previewed = run()
    assert (tags, previewed["applied"]) == (len(made.tags), False)
    assert run("--pinned=2.1.1")[1]["gone"] == []
    left, applied = run("--apply")
    assert applied == {**previewed, "applied": True}
    assert left == len(made.tags) - 5
    assert run("--apply")[1]["gone"] == []


class LocalImages:
    """Images of a few bytes in the real engine."""

    def __init__(self, place: Path) -> None:
        self._place = place
        self.containers: list[str] = []

    def build(self, tag: str, version: str = "", build: str = "a", *names: str) -> None:
        """Build an image as a build would label it, and name it."""
        identity = build * 64
        labels = {
            contract.LABEL_VERSION: version,
            contract.LABEL_VARIANT: "slim",
            contract.LABEL_BUILD_ID: identity,
            # As of an image of long ago: only when it was named here counts.
            "org.opencontainers.image.created": "2024-01-01T00:00:00Z",
        }
        lines = [f'LABEL "{key}"="{value}"' for key, value in labels.items()]
        context = self._place / f"{tag}-{build}"
        context.mkdir()
        # Another worker's image of the same content would be the same image, with one more name.
        (context / "content").write_text(f"{_LOCAL} {version} {build}", encoding="utf-8")
        (context / "Dockerfile").write_text("\n".join(["FROM scratch", "COPY content /", *lines]))
        docker("build", "--quiet", "--provenance=false", f"--tag={_LOCAL}:{tag}", str(context))
        for name in names:
            docker("tag", f"{_LOCAL}:{tag}", f"{_LOCAL}:{name}")

    def version(self, version: str, build: str = "a", *, moving: bool = True) -> None:
        """Build a version, with both of its names or the immutable one."""
        names = [f"{version}-slim"] if moving else []
        self.build(f"{version}-slim-{build * 12}", version, build, *names)

    def container(self, tag: str) -> str:
        """Make a container that never runs."""
        self.containers.append(docker("create", f"{_LOCAL}:{tag}", "nothing"))
        return self.containers[-1]

    @property
    def tags(self) -> set[str]:
        """The names that there are."""
        return set(docker("image", "ls", "--format={{.Tag}}", _LOCAL).split())

    def clear(self) -> None:
        """Remove all of it."""
        for container in self.containers:
            docker("rm", container)
        for tag in self.tags:
            docker("image", "rm", f"{_LOCAL}:{tag}")


@pytest.fixture
def local(tmp_path: Path) -> Iterator[LocalImages]:
    images = LocalImages(tmp_path)
    try:
        yield images
    finally:
        images.clear()


def _images() -> Images:
    return Images(of_builds(), _LOCAL)


def _policy(*pinned: str, hours: float = 1, newest: int = 1) -> Policy:
    """Return a policy of no days, at a time that is still to come."""
    now = datetime.now(UTC) + timedelta(hours=hours)
    return Policy(newest, 0, tuple(map(Specifier.parse, pinned)), now)


def test_old_images_are_removed_with_their_names(local: LocalImages) -> None:
    local.version("2.1.1")
    local.version("2.1.2")
    local.version("2.1.3", "b", moving=False)
    local.version("2.1.3")
    local.build("mine", "2.1.1", "c")

    assert len(_images().plan(_policy("2.1.2")).gone) == 3
    assert len(local.tags) == 8
    done = _images().apply(_policy("2.1.2"))

    assert local.tags == {
        "2.1.2-slim",
        "2.1.2-slim-aaaaaaaaaaaa",
        "2.1.3-slim",
        "2.1.3-slim-aaaaaaaaaaaa",
        "mine",
    }
    assert len(done.gone) == 3
    assert done.size > 0
    assert _images().apply(_policy("2.1.2")).gone == ()


def test_an_image_that_was_built_here_lately_stays(local: LocalImages) -> None:
    local.version("2.1.1")
    local.version("2.1.2")

    assert _images().apply(replace(_policy(), days=90)).gone == ()


def test_an_image_with_a_container_stays(local: LocalImages) -> None:
    local.version("2.1.1")
    local.version("2.1.2")
    local.version("2.1.2", "b", moving=False)
    local.container("2.1.1-slim")
    local.container("2.1.2-slim-bbbbbbbbbbbb")

    done = _images().apply(_policy())

    assert done.gone == ()
    assert len(local.tags) == 5
    assert sum("the container" in item.why for item in done.kept) == 3


def test_an_interrupted_builds_image_goes_after_a_day(local: LocalImages) -> None:
    local.build("building-0123456789ab", "2.1.1")
    local.version("2.1.1")

    assert _images().apply(_policy(hours=23)).gone == ()
    assert len(_images().apply(_policy(hours=25)).gone) == 1
    assert "building-0123456789ab" not in local.tags


def test_the_engine_has_the_last_word(local: LocalImages, monkeypatch: pytest.MonkeyPatch) -> None:
    local.version("2.1.1", moving=False)
    local.version("2.1.2")
    monkeypatch.setattr(Docker, "containers", lambda _engine, _label="": [])
    local.container("2.1.1-slim-aaaaaaaaaaaa")

    done = _images().apply(_policy())

    assert done.gone == ()
    assert "2.1.1-slim-aaaaaaaaaaaa" in local.tags
    assert any(item.why.startswith("the engine refuses") for item in done.kept)


def test_what_a_build_names_meanwhile_stays(
    local: LocalImages, monkeypatch: pytest.MonkeyPatch
) -> None:
    local.version("2.1.1", "b", moving=False)
    local.version("2.1.1")
    images = _images()
    before = images._read()  # noqa: SLF001 (what was there a moment ago)
    monkeypatch.setattr(Images, "_read", lambda _self: before)
    docker("tag", f"{_LOCAL}:2.1.1-slim-bbbbbbbbbbbb", f"{_LOCAL}:2.1.1-slim")

    done = images.apply(_policy())

    assert done.gone == ()
    assert "2.1.1-slim-bbbbbbbbbbbb" in local.tags
    assert "it has changed meanwhile" in {item.why for item in done.kept}


@pytest.mark.usefixtures("local")
def test_without_images_there_is_nothing_to_do() -> None:
    assert _images().apply(_policy()) == _images().plan(_policy())
