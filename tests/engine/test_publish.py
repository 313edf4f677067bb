"""Publishing, with the real engine, a real registry and real packages.

What does not depend on the CLI is tried with versions that nobody has published: their packages
have a few hundred bytes, and run on both platforms.
"""

from __future__ import annotations

import contextlib
import gzip
import json
import os
import re
import secrets
import subprocess
import tarfile
from base64 import b64encode
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest

from pinnace_builder import base, build, images_config, npm
from pinnace_builder.lock import MAIN_PACKAGE
from pinnace_builder.publish.build_platform import PlatformBuilder
from pinnace_builder.publish.plan import base_image
from pinnace_core import host
from pinnace_core.engine import of_builds
from pinnace_core.engine.buildx import NO_CACHE, Cache
from pinnace_images import contract, lock
from pinnace_images.platforms import SUPPORTED, Platform
from pinnace_images.versions import LATEST, CliVersion
from tests.engine.conftest import (
    VERSION,
    Launcher,
    docker,
    remove_images,
    remove_images_by_id,
)
from tests.support.builder_command import BuilderCommand, Result, write_images
from tests.support.forward_proxy import ForwardProxy
from tests.support.made_up_cli import MadeUp, tarball
from tests.support.npm_registry import NpmRegistry
from tests.support.published import Repository
from tests.support.registry import FaultyProxy, RealRegistry
from tests.support.remote_builder import remote_builder

if TYPE_CHECKING:
    from collections.abc import Iterator

PLATFORMS: Final = [str(platform) for platform in SUPPORTED]
_PATCHES: Final = sorted(secrets.SystemRandom().sample(range(100, 999), 2))
MADE_UP: Final = tuple(f"9.9.{patch}" for patch in _PATCHES)
BEFORE: Final = "2.1.0"
"""Made up, too: the version before the real one, of its line."""
NEXT_DAY: Final = images_config.load().base.refreshed + timedelta(days=1)
# Read before any fixture moves them.
_CACHE: Final = host.directory("cache").parent
_NPMRC: Final = os.environ.get("NPM_CONFIG_USERCONFIG") or str(Path.home() / ".npmrc")
_DROPPED: Final = ("ANTHROPIC_", "CLAUDE", "PINNACE_", "XDG_", "DOCKER_CONFIG", "BUILDX_")
_KEPT: Final = {k: v for k, v in os.environ.items() if not k.startswith(_DROPPED)}
# Modules' fixtures are costly: one worker has them, and whoever else publishes all platforms.
pytestmark = pytest.mark.xdist_group("publishing")
# As buildx tells it, or Pinnace's summary.
_SAYS: Final = r"^(?:#\d+|pinnace-build:) \["
_STEP: Final = re.compile(rf"{_SAYS}[^]]*\] (RUN|COPY)\b", re.MULTILINE)
_STANDS_ON: Final = re.compile(rf"{_SAYS}context (\S+ \S+)@sha256:[0-9a-f]*$", re.MULTILINE)


def ladder(version: str) -> set[str]:
    """Name the steps above a version."""
    major, minor, _ = version.split(".")
    steps = (f"{major}.{minor}", major, "latest")
    return {name for step in steps for name in (step, f"{step}-slim")}


def names(version: str) -> set[str]:
    """Name a version."""
    return {version, f"{version}-slim"}


def subjects(version: str) -> list[str]:
    """Return what is built of a version, base aside."""
    return [f"{version} slim ({platform})" for platform in PLATFORMS]


def native() -> Platform:
    """Return the engine's own platform."""
    return Platform.of_machine(docker("version", "--format={{.Server.Arch}}"))


@pytest.fixture(scope="module")
def workplace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("publishing")


@pytest.fixture(scope="module")
def packages(workplace: Path) -> MadeUp:
    """Make up a few versions, of one size and one time."""
    made = MadeUp(workplace / "cache", workplace / "data")
    made.add(BEFORE, *MADE_UP)
    return made


@pytest.fixture(scope="module")
def command(workplace: Path, packages: MadeUp) -> BuilderCommand:
    """`pinnace-build` with real packages, and small images; the made-up versions are locked."""
    home = workplace / "home"
    home.mkdir()
    own = {
        "HOME": str(home),
        "XDG_CACHE_HOME": str(_CACHE),
        "XDG_DATA_HOME": str(packages.data),
        "NPM_CONFIG_USERCONFIG": _NPMRC,
    }
    return BuilderCommand({**_KEPT, **own}, write_images(workplace / "images.toml"))


@pytest.fixture(scope="module")
def store(workplace: Path) -> Iterator[RealRegistry]:
    """The registry that most is published to, each in a repository of its own."""
    with RealRegistry(workplace / "registry") as server:
        yield server


@dataclass(frozen=True)
class Flow:
    """Two runs: one version, then this one and the next."""

    repository: Repository
    first: list[Result]
    second: list[Result]
    said: str
    grown: int

    @property
    def newest(self) -> Result:
        return self.second[1]


@pytest.fixture(scope="module")
def flow(command: BuilderCommand, made_up: BuilderCommand, store: RealRegistry) -> Flow:
    repository = Repository(store, "claude")
    first, _ = made_up.publish(repository.address, BEFORE)
    before = store.size()
    second, said = command.publish(repository.address, BEFORE, VERSION)
    return Flow(repository, first, second, said, store.size() - before)


@pytest.fixture(scope="module")
def made_up(command: BuilderCommand, packages: MadeUp) -> BuilderCommand:
    """`pinnace-build` with the packages of the made-up versions."""
    return command.using(XDG_CACHE_HOME=str(packages.cache))


@dataclass(frozen=True)
class Tried:
    """The made-up versions, published."""

    repository: Repository
    results: list[Result]


@pytest.fixture(scope="module")
def tried(made_up: BuilderCommand, store: RealRegistry) -> Tried:
    repository = Repository(store, "made-up")
    results, _ = made_up.publish(repository.address, "--no-channels", *MADE_UP)
    return Tried(repository, results)


def test_all_that_was_asked_for_is_published(flow: Flow) -> None:
    (first,) = flow.first
    older, newest = flow.second
    bases = [f"base slim ({platform})" for platform in PLATFORMS]
    assert set(first["built"]) == {*bases, *subjects(BEFORE)}
    assert set(first["moved"]) >= names(BEFORE) | ladder(BEFORE)
    assert {**first, "built": [], "moved": []} == older

    assert newest["version"] == VERSION
    assert newest["built"] == subjects(VERSION)
    assert set(newest["moved"]) >= names(VERSION) | ladder(VERSION)
    assert newest["platforms"] == flow.repository.platforms(newest["digest"])
    assert list(newest["platforms"]) == PLATFORMS


def test_every_name_leads_to_its_version(flow: Flow) -> None:
    older, newest = flow.second
    expected = dict.fromkeys(ladder(VERSION), newest["digest"])
    for one in flow.second:
        named = names(one["version"])
        named |= {
            tag
            for channel, version in npm.tags(MAIN_PACKAGE).items()
            if version == one["version"] and channel != LATEST
            for tag in (channel, f"{channel}-slim")
        }
        expected |= dict.fromkeys({*named, one["tag"]}, one["digest"])
    found = flow.repository.tags()
    # Besides them there are those of single platforms.
    single = found.keys() - expected.keys()
    assert {tag: found[tag] for tag in found if tag not in single} == expected
    kinds = Counter(re.sub("-[0-9a-f]{12}$", "", tag) for tag in single)
    prefixes = ("base-slim", f"{older['version']}-slim", f"{newest['version']}-slim")
    assert kinds == {f"{one}-{p.architecture}": 1 for one in prefixes for p in SUPPORTED}


def test_buildx_reads_platforms_and_attestations(flow: Flow) -> None:
    name = f"{flow.repository.address}:{VERSION}"

    def inspect(what: str) -> dict[str, Any]:
        said = docker("buildx", "imagetools", "inspect", "--format", f"{{{{json .{what}}}}}", name)
        found: dict[str, Any] = json.loads(said)
        return found

    entries = inspect("Manifest")["manifests"]
    found = Counter("{os}/{architecture}".format(**one["platform"]) for one in entries)
    assert found == {**dict.fromkeys(PLATFORMS, 1), "unknown/unknown": 2}

    bills, origins = inspect("SBOM"), inspect("Provenance")
    entry = lock.load(lock.SHIPPED_LOCK).entries[CliVersion.parse(VERSION)]
    for platform in SUPPORTED:
        bill = {p["name"]: p for p in bills[str(platform)]["SPDX"]["packages"]}
        assert {"bash", "libc6"} <= bill.keys()
        package = entry.package_for(platform)
        assert bill[package.name]["versionInfo"] == VERSION
        sums = {s["algorithm"]: s["checksumValue"] for s in bill[package.name]["checksums"]}
        assert sums["SHA256"] == package.sha256
        assert "buildkit" in origins[str(platform)]["SLSA"]["buildType"]


def test_labels_and_annotations_tell_what_it_is(flow: Flow) -> None:
    entry = lock.load(lock.SHIPPED_LOCK).entries[CliVersion.parse(VERSION)]
    for platform in SUPPORTED:
        labels = flow.repository.labels(flow.newest["platforms"][str(platform)])
        expected = {
            contract.LABEL_CONTRACT: str(contract.CONTRACT_VERSION),
            contract.LABEL_VERSION: VERSION,
            contract.LABEL_VARIANT: "slim",
            contract.LABEL_PLATFORM: str(platform),
            contract.LABEL_USER: "1000:1000",
            contract.LABEL_SHA256: entry.package_for(platform).executable_sha256,
            "org.opencontainers.image.version": VERSION,
            "org.opencontainers.image.title": "Claude Code with nearly nothing",
        }
        assert labels.items() >= expected.items()
        tag = f"{VERSION}-slim-{platform.architecture}-{labels[contract.LABEL_BUILD_ID][:12]}"
        assert tag in flow.repository.tags()
    annotations = flow.repository.document(flow.newest["digest"])["annotations"]
    assert annotations["org.opencontainers.image.version"] == VERSION


@pytest.mark.parametrize("platform", PLATFORMS)
def test_it_runs(flow: Flow, platform: str) -> None:
    name = f"{flow.repository.address}:latest"
    options = ["--rm", "--quiet", "--pull=always", f"--platform={platform}", "--network=none"]
    try:
        said = docker("run", *options, name, "sh", "-c", "claude --version; id -u; uname -m")
    finally:
        remove_images_of(flow.repository)
    machine = {"amd64": "x86_64", "arm64": "aarch64"}[platform.removeprefix("linux/")]
    assert said.splitlines() == [f"{VERSION} (Claude Code)", "1000", machine]


def remove_images_of(repository: Repository) -> None:
    """Remove what was pulled of a repository."""
    filters = f"--filter=reference={repository.address}"
    remove_images_by_id(set(docker("image", "ls", "-aq", "--no-trunc", filters).split()))


def test_a_second_run_builds_and_pushes_nothing(command: BuilderCommand, flow: Flow) -> None:
    registry = flow.repository.registry
    held = registry.blob_digests(), registry.size(), flow.repository.tags()
    with FaultyProxy(registry) as proxy:
        repository = f"{proxy.address}/{flow.repository.name}"
        results, said = command.publish(repository, BEFORE, VERSION)
        preview = command.run("publish", f"--repository={repository}", VERSION, "--dry-run")
    assert results == [{**one, "built": [], "moved": []} for one in flow.second]
    assert {method for method, _, _ in proxy.log} <= {"GET", "HEAD"}
    assert "building" not in said
    assert (preview.returncode, preview.stdout) == (0, "")
    assert (registry.blob_digests(), registry.size(), flow.repository.tags()) == held


def test_the_next_version_adds_only_the_clis_layers(flow: Flow) -> None:
    assert f"building {VERSION} slim" in flow.said
    assert set(_STEP.findall(flow.said)) == {"COPY"}
    assert "building base" not in flow.said
    older, newest = flow.second
    expected = 0
    for platform in PLATFORMS:
        *below, cli = flow.repository.layers(newest["platforms"][platform])
        *earlier, other = flow.repository.layers(older["platforms"][platform])
        assert below == earlier
        assert below
        assert cli["digest"] != other["digest"]
        assert cli["mediaType"].endswith("+zstd")
        expected += cli["size"]
    assert expected <= flow.grown < expected + 1_000_000


def test_the_same_image_comes_out_again(
    command: BuilderCommand, made_up: BuilderCommand, flow: Flow, tried: Tried
) -> None:
    # To compress one of the real ones anew is enough: it takes long.
    chosen = [str(native())]
    real = command.run(
        "reproduce", f"{flow.repository.address}:{VERSION}", f"--platform={chosen[0]}"
    )
    tiny = made_up.run("reproduce", f"{tried.repository.address}@{tried.results[0]['digest']}")
    for done, result, platforms in (
        (real, flow.newest, chosen),
        (tiny, tried.results[0], PLATFORMS),
    ):
        assert done.returncode == 0, done.stderr
        digests = result["platforms"]
        assert done.stdout == "".join(f"{p}  {digests[p]}  the same\n" for p in platforms)
        after_copying = re.findall(r"\] COPY .*\n#\d+ (\w+)", done.stderr)
        assert after_copying == ["DONE" for _ in platforms], "it came from the cache"


@pytest.mark.usefixtures("tried")
def test_the_same_base_comes_out_again(command: BuilderCommand, tmp_path: Path) -> None:
    engine, platform, images = of_builds(), native(), images_config.load(command.images)
    version = CliVersion.parse(VERSION)
    request = build.request_for(version, variant="slim", platforms=(platform,), images=images)
    distribution = base.identify(engine, images.base, platform)
    image = base_image(request, platform, distribution)
    builder = PlatformBuilder(
        client=engine.connect(),
        repository="",
        compression="zstd",
        cache=Cache(NO_CACHE),
        builders={},
        previous={},
        attesting=False,
        fresh=True,
    )

    def make(name: str) -> str:
        directory = tmp_path / name
        directory.mkdir()
        return builder.build(image, "", directory).digest

    assert make("once") == make("again")


def test_another_recipe_is_not_taken_for_the_same(
    command: BuilderCommand, flow: Flow, tmp_path: Path
) -> None:
    other = command.using(write_images(tmp_path / "images.toml", NEXT_DAY))
    done = other.run("reproduce", f"{flow.repository.address}@{flow.newest['digest']}")
    assert (done.returncode, done.stdout) == (79, "")
    assert "another recipe" in done.stderr


def test_a_forged_image_differs(made_up: BuilderCommand, tried: Tried, tmp_path: Path) -> None:
    platform = native()
    genuine = tried.results[0]["platforms"][str(platform)]
    place = tried.repository.address
    (tmp_path / "Dockerfile").write_text(
        f"FROM {place}@{genuine}\nCOPY Dockerfile /forged\n", encoding="utf-8"
    )
    output = f"--output=type=registry,name={place}:forged,oci-mediatypes=true,compression=zstd"
    try:
        docker("buildx", "build", f"--platform={platform}", output, str(tmp_path))
    finally:
        remove_images_of(tried.repository)

    done = made_up.run("reproduce", f"{place}:forged", "--json")
    assert done.returncode == 79, done.stderr
    (compared,) = json.loads(done.stdout)["result"]
    assert (compared["platform"], compared["same"]) == (str(platform), False)
    assert compared["published"] != genuine
    assert compared["rebuilt"] == genuine


def test_a_cli_of_equal_size_and_time_is_not_the_old_one(tried: Tried) -> None:
    versions = map(CliVersion.parse, MADE_UP)
    packages = [tarball(platform, version) for version in versions for platform in SUPPORTED]
    assert len(set(packages)) == 4
    assert len({len(package) for package in packages}) == 1
    try:
        for platform in PLATFORMS:
            found = set()
            for one in tried.results:
                found.add(tried.repository.layers(one["platforms"][platform])[-1]["digest"])
                name = f"{tried.repository.address}@{one['platforms'][platform]}"
                options = ["--rm", "--quiet", f"--platform={platform}"]
                said = docker("run", *options, name, "claude", "--version")
                assert said == f"{one['version']} (Claude Code)"
            assert len(found) == len(MADE_UP)
    finally:
        remove_images_of(tried.repository)


def test_a_refreshed_base_leaves_the_clis_layer_alone(
    made_up: BuilderCommand, tried: Tried, store: RealRegistry, tmp_path: Path
) -> None:
    platform, version, repository = native(), MADE_UP[1], Repository(store, "refreshed")
    options = (version, "--no-channels", f"--platform={platform}")
    (before,), _ = made_up.publish(repository.address, *options)
    assert before["platforms"].items() <= tried.results[1]["platforms"].items()
    old = repository.tags()
    refreshed = made_up.using(write_images(tmp_path / "images.toml", NEXT_DAY))
    with base_at_hand(NEXT_DAY):
        (after,), _ = refreshed.publish(repository.address, *options)
    new = repository.tags()

    assert after["built"] == [f"base slim ({platform})", f"{version} slim ({platform})"]
    moving = names(version) | ladder(version)
    assert set(after["moved"]) == moving
    assert {new[tag] for tag in moving} == {after["digest"]}
    # What never moves is still there: the manifest list, its image and the base.
    fixed = old.keys() - moving
    assert {tag: new[tag] for tag in fixed} == {tag: old[tag] for tag in fixed}
    assert new[before["tag"]] == before["digest"]
    assert (len(fixed), len(new)) == (3, len(old) + 3)
    *below, cli = repository.layers(after["platforms"][str(platform)])
    *below_before, cli_before = repository.layers(before["platforms"][str(platform)])
    assert cli == cli_before
    assert below != below_before


@contextlib.contextmanager
def base_at_hand(day: date) -> Iterator[None]:
    """Let a bootstrapped base count for another day, too: to make one takes long."""
    at_hand = images_config.load().base
    given = {
        base.bootstrapped_tag(at_hand, platform): base.bootstrapped_tag(
            at_hand.model_copy(update={"refreshed": day}), platform
        )
        for platform in SUPPORTED
    }
    new = {old: name for old, name in given.items() if is_there(old) and not is_there(name)}
    for old, name in new.items():
        docker("tag", old, name)
    try:
        yield
    finally:
        for name in new.values():
            docker("image", "rm", name)


def test_platforms_are_staged_by_other_builders_and_joined_later(
    made_up: BuilderCommand, tried: Tried, store: RealRegistry
) -> None:
    version, repository = MADE_UP[0], Repository(store, "staged")
    with remote_builder(made_up.environment) as name:
        for platform, builder in zip(SUPPORTED, (name, f"linux/arm64={name}"), strict=True):
            options = ("--stage", f"--platform={platform}", f"--builder={builder}")
            results, said = made_up.publish(repository.address, version, *options)
            assert results == []
            assert f"pushed {version}-slim-{platform.architecture}" in said
            # A base and a CLI.
            built = re.findall(r'^#0 building with "(.*)" instance', said, re.MULTILINE)
            assert built == [name, name]
    assert all(re.search("-a(md|rm)64-[0-9a-f]{12}$", tag) for tag in repository.tags())

    (joined,), said = made_up.publish(repository.address, version, "--no-channels")
    assert "building" not in said
    assert joined["built"] == []
    assert set(joined["moved"]) == names(version) | ladder(version)
    # The same, byte by byte, as the engine's own builder makes.
    assert joined["platforms"] == tried.results[0]["platforms"]


@pytest.fixture(scope="module")
def bases(made_up: BuilderCommand, workplace: Path) -> Iterator[Tried]:
    """Bases in a registry that nothing else was ever published to."""
    with RealRegistry(workplace / "bases") as registry:
        repository = Repository(registry, "bases")
        results, _ = made_up.publish(repository.address, "--without-claude")
        yield Tried(repository, results)


def test_bases_alone_hold_no_cli(bases: Tried) -> None:
    (published,), repository = bases.results, bases.repository
    assert (published["version"], published["moved"]) == (None, ["base-slim"])
    assert repository.tags().keys() >= {"base-slim", published["tag"]}
    assert list(repository.platforms(published["digest"])) == PLATFORMS
    for digest in repository.registry.blob_digests():
        blob = repository.registry.blob_bytes(digest)
        assert len(blob) < 60_000_000
        if blob.startswith(b"{"):
            for word in (VERSION, "@anthropic-ai", "pinnace.claude.", "claude-code"):
                assert word.encode() not in blob
    try:
        for platform in PLATFORMS:
            name = f"{repository.address}@{published['platforms'][platform]}"
            files = exported(name, platform)
            assert "home/agent/.claude" in files
            assert not [path for path in files if path.startswith("opt/") and path != "opt/"]
    finally:
        remove_images_of(repository)


@dataclass(frozen=True)
class Completed:
    """A local image on a published base."""

    image: Result
    again: Result
    said: str


@pytest.fixture(scope="module")
def completed(made_up: BuilderCommand, bases: Tried, tried: Tried) -> Iterator[Completed]:
    """Complete a base, where the engine knows the CLI's layer as it was published."""
    command = made_up.using(PINNACE_BASE_REPOSITORY=bases.repository.address)
    version = str(tried.results[0]["version"])
    try:
        image, said = command.result("build", version)
        again, _ = command.result("build", version)
        yield Completed(image, again, said)
    finally:
        remove_images(version)
        remove_images_of(bases.repository)


def test_a_published_base_is_completed_here(completed: Completed, bases: Tried) -> None:
    assert completed.image["built"]
    assert f"base] {bases.repository.address}" in stands_on(completed.said)
    assert contract.BASE_REPOSITORY not in completed.said
    assert set(_STEP.findall(completed.said)) == {"COPY"}
    said = docker("run", "--rm", "--network=none", completed.image["id"], "claude", "--version")
    assert said == f"{MADE_UP[0]} (Claude Code)"
    assert completed.again == {**completed.image, "built": False}


def test_a_completed_base_is_listed(completed: Completed) -> None:
    label = f"--filter=label={contract.LABEL_VERSION}={MADE_UP[0]}"
    listed = docker("image", "ls", "-q", "--no-trunc", label).split()
    assert completed.image["id"] in listed


def test_a_launch_completes_a_published_base(
    command: BuilderCommand, bases: Tried, launcher: Launcher, other: str
) -> None:
    launcher.environment |= {
        "PINNACE_BASE_REPOSITORY": bases.repository.address,
        "PINNACE_IMAGES": str(command.images),
    }
    try:
        done = launcher.run("run", "--claude-version", other, "--", "--version")
        assert (done.returncode, done.stdout) == (0, f"{other} (Claude Code)\n"), done.stderr
        assert f"base] {bases.repository.address}" in stands_on(done.stderr)
        assert contract.BASE_REPOSITORY not in done.stderr
    finally:
        launcher.end()
        remove_images_of(bases.repository)


def exported(image: str, platform: str) -> list[str]:
    """List an image's files."""
    container = docker("create", f"--platform={platform}", "--quiet", "--pull=always", image)
    try:
        with (
            subprocess.Popen(["docker", "export", container], stdout=subprocess.PIPE) as child,
            tarfile.open(fileobj=child.stdout, mode="r|") as archive,
        ):
            return [member.name for member in archive]
    finally:
        docker("rm", container)


def distribution_host() -> str:
    """Read where the distribution's packages are from a bootstrapped base."""
    image = base.bootstrapped_tag(
        images_config.load().base, Platform.of_machine(os.uname().machine)
    )
    listed = docker("run", "--rm", "--network=none", image, "cat", "/etc/apt/sources.list")
    found = re.search(r"//([^/@ ]+)/", listed)
    assert found, listed
    return found.group(1)


def stands_on(said: str) -> list[str]:
    """Tell from buildx' messages what replaced which stage, perhaps of another build beside it."""
    return list(dict.fromkeys(_STANDS_ON.findall(said)))


def is_there(image: str) -> bool:
    """Return whether the engine has an image of this name."""
    done = subprocess.run(["docker", "image", "inspect", image], check=False, capture_output=True)
    return done.returncode == 0


@dataclass(frozen=True)
class Canary:
    """A word that must not be found anywhere, as a password."""

    user: str
    word: str = field(default_factory=lambda: f"canary-{secrets.token_hex(8)}")

    @property
    def login(self) -> tuple[str, str]:
        return self.user, self.word

    @property
    def encoded(self) -> str:
        return b64encode(f"{self.user}:{self.word}".encode()).decode()


@pytest.mark.usefixtures("tried")
def test_no_secret_is_published(made_up: BuilderCommand, tmp_path: Path) -> None:
    canaries = {name: Canary(name) for name in ("proxy", "mirror", "npm", "registry", "ca")}
    version, platform = CliVersion(9, 9, 3), native()
    packages = MadeUp(tmp_path / "cache", tmp_path / "data")
    packages.add(str(version), cached=False)
    gateway = docker("network", "inspect", "bridge", "--format={{(index .IPAM.Config 0).Gateway}}")
    served = {
        (f"@anthropic-ai/claude-code-{platform.npm}", str(version)): tarball(platform, version)
    }
    hosts = {"mirror.invalid": distribution_host()}
    # Another day each time: what is there already needs no secret.
    day = date(2000, 1, 1) + timedelta(days=secrets.randbelow(9000))
    with (
        RealRegistry(tmp_path / "registry", password=canaries["registry"].login) as registry,
        ForwardProxy(
            canaries["proxy"].login, hosts=hosts, host_login=canaries["mirror"].login
        ) as proxy,
        NpmRegistry(canaries["npm"].word, served) as npm_registry,
    ):
        home = write_home(tmp_path / "home", canaries, registry.address, npm_registry.address)
        command = made_up.using(
            write_images(tmp_path / "images.toml", day),
            HOME=str(home),
            XDG_CACHE_HOME=str(packages.cache),
            XDG_DATA_HOME=str(packages.data),
            NPM_CONFIG_USERCONFIG=str(home / ".npmrc"),
            PINNACE_CA_BUNDLE=str(home / "ca.pem"),
            PINNACE_BASE_MIRROR=f"http://mirror:{canaries['mirror'].word}@mirror.invalid/debian",
            HTTP_PROXY=f"http://proxy:{canaries['proxy'].word}@{gateway}:{proxy.port}",
            NO_PROXY="127.0.0.1,localhost",
        )
        repository = Repository(registry, "secret")
        options = (f"--platform={platform}", "--no-channels", "--compression=gzip")
        with base_at_hand(day):
            (published,), said = command.publish(repository.address, str(version), *options)

        # They were all needed.
        assert any("mirror.invalid/debian/dists/" in address for address in proxy.passed)
        assert any(path.endswith(f"{version}.tgz") for path in npm_registry.served)
        contents = [inflated(registry.blob_bytes(digest)) for digest in registry.blob_digests()]
        layers = repository.layers(published["platforms"][str(platform)])
    assert {layer["mediaType"] for layer in layers} == {
        "application/vnd.oci.image.layer.v1.tar+gzip"
    }
    # Looking would find what is there.
    for there in ("root:x:0:0:", str(version), "claude", day.isoformat()):
        assert any(there.encode() in content for content in contents)
    for canary in canaries.values():
        for word in (canary.word, canary.encoded):
            assert word not in said
            assert not any(word.encode() in content for content in contents)


def write_home(path: Path, canaries: dict[str, Canary], images: str, packages: str) -> Path:
    """Write a home full of secrets."""
    path.mkdir()
    registry = f"registry=http://{packages}/\n//{packages}/:_authToken={canaries['npm'].word}\n"
    (path / ".npmrc").write_text(registry, encoding="utf-8")
    (path / "ca.pem").write_text(f"# {canaries['ca'].word}\n", encoding="utf-8")
    (path / ".docker").mkdir()
    logins = {"auths": {images: {"auth": canaries["registry"].encoded}}}
    (path / ".docker" / "config.json").write_text(json.dumps(logins), encoding="utf-8")
    return path


def inflated(blob: bytes) -> bytes:
    """Return what a blob holds."""
    return gzip.decompress(blob) if blob.startswith(b"\x1f\x8b") else blob


def test_a_bootstrapped_base_does_not_tell_the_mirrors_password(tmp_path: Path) -> None:
    entry, login, archive = Canary("proxy"), Canary("mirror"), tmp_path / "base.tar"
    declared = images_config.load().base
    mirror = base.Mirror(packages=f"http://{':'.join(login.login)}@mirror.invalid/debian")
    command = base.mmdebstrap_command(declared, native(), mirror, archive)
    hosts = {"mirror.invalid": distribution_host()}
    with ForwardProxy(entry.login, hosts=hosts, host_login=login.login) as proxy:
        done = subprocess.run(
            # Without any packages, the rest is the same and takes a tenth of the time.
            [part.replace("=minbase", "=custom") for part in command],
            env={**_KEPT, "http_proxy": f"http://{':'.join(entry.login)}@127.0.0.1:{proxy.port}"},
            input=base.sources(declared, mirror),
            check=False,
            capture_output=True,
            text=True,
        )
    assert done.returncode == 0, done.stderr
    with tarfile.open(archive) as found:
        files = {
            member.name: content.read()
            for member in found
            if (content := found.extractfile(member) if member.isfile() else None)
        }
    assert b"mirror.invalid/debian" in files["./etc/apt/sources.list"]
    assert not [name for name, content in files.items() if login.word.encode() in content]


def test_a_base_is_pinned_and_pulled_from_a_mirror(
    command: BuilderCommand, made_up: BuilderCommand, registry: RealRegistry, tmp_path: Path
) -> None:
    repository = Repository(registry, "debian")
    mirror_distribution(command, repository, tmp_path / "context")
    digest = repository.tags()["fresh"]
    # Of this suite, no base was ever bootstrapped.
    path = write_images(tmp_path / "images.toml", suite="pinnace-test")
    before = path.read_text(encoding="utf-8")
    mirrored = made_up.using(path, PINNACE_BASE_MIRROR=registry.address)
    done = mirrored.run("base", "--pin=fresh")
    assert (done.returncode, done.stdout) == (0, f"{digest}\n"), done.stderr

    pinned = images_config.load(path).base
    assert (pinned.tag, pinned.digest) == ("fresh", digest)
    assert pinned.platforms == repository.platforms(digest)
    assert abs(pinned.refreshed - datetime.now(UTC).date()) <= timedelta(days=1)
    after = path.read_text(encoding="utf-8")
    comments = re.compile("#.*")
    assert comments.findall(after) == comments.findall(before)
    # A comment stays with what it is about.
    assert after.endswith(before[before.index("\n# What goes") :])

    try:
        for platform in SUPPORTED:
            done = mirrored.run("base", f"--platform={platform}")
            reference = f"{repository.address}@{pinned.digest_for(platform)}"
            assert (done.returncode, done.stdout) == (0, f"{reference}\n"), done.stderr
        # It is what an image is made from, then.
        target, platform = Repository(registry, "claude"), native()
        options = (f"--platform={platform}", "--no-channels")
        (published,), said = mirrored.publish(target.address, MADE_UP[0], *options)
        assert f"distribution] {repository.address}" in stands_on(said)
        labels = target.labels(published["platforms"][str(platform)])
        named = {"name": "debian:fresh", "digest": pinned.digest_for(platform)}
        expected = {f"org.opencontainers.image.base.{key}": named[key] for key in named}
        assert labels.items() >= expected.items()
    finally:
        remove_images_of(repository)


def mirror_distribution(command: BuilderCommand, repository: Repository, context: Path) -> None:
    """Push the distribution's images as a manifest list with the tag `fresh`."""
    context.mkdir()
    (context / "Dockerfile").write_text("FROM distribution\n", encoding="utf-8")
    pushed = []
    for platform in SUPPORTED:
        done = command.run("base", f"--platform={platform}")
        assert done.returncode == 0, done.stderr
        pushed.append(f"{repository.address}:{platform.architecture}")
        docker(
            "buildx",
            "build",
            f"--platform={platform}",
            f"--build-context=distribution=docker-image://{done.stdout.strip()}",
            "--provenance=false",
            f"--output=type=registry,name={pushed[-1]},oci-mediatypes=true",
            str(context),
        )
    docker("buildx", "imagetools", "create", f"--tag={repository.address}:fresh", *pushed)
