"""Publishing that is disturbed: no moving tag is ever wrong, and the same line again completes.

The real command publishes to a real registry, through a proxy that fails as it is told. The CLIs
are made up: a few hundred bytes, and some megabytes where the size matters.
"""

from __future__ import annotations

import contextlib
import gzip
import io
import json
import os
import re
import shutil
import signal
import subprocess
import tarfile
import threading
import time
from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest
from filelock import FileLock

from pinnace_builder.registry import Registry, lock_name
from tests.engine.conftest import docker
from tests.engine.test_unhappy import refused, root_only, small_disk
from tests.support.fake_registry import digest_of
from tests.support.made_up_cli import MadeUp
from tests.support.publisher import Publisher, Run
from tests.support.registry import FaultyProxy, RealRegistry
from tests.support.soundness import Observer, assert_sound, digests_of_tags, moving_tags
from tests.support.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.engine.conftest import Once
    from tests.support.registry import When

OLDER, OLD, NEW, NEWEST = VERSIONS = ("9.8.0", "9.8.1", "9.8.2", "9.8.3")
LARGE: Final = "2.1.0"
NAME: Final = "team/claude"
LADDER: Final = ("9.8-slim", "9.8", "9-slim", "9", "latest-slim", "latest")
BY_DIGEST: Final = "/manifests/sha256:"
UPLOADS: Final = "/blobs/uploads/"
WRITING: Final = ("POST", "PUT", "PATCH", "DELETE")
FAILURES: Final = 429  # and what is above
MANY: Final = 1_000_000
MOST_ATTEMPTS: Final = 5
MEGABYTE: Final = 1_000_000
PAGE: Final = 4096
SOON_SECONDS: Final = 20.0
PAUSE_SECONDS: Final = 0.3
TIMES_EMPTY: Final = 3
_MANIFEST: Final = "application/vnd.oci.image.manifest.v1+json"
_CONFIG: Final = "application/vnd.oci.image.config.v1+json"


@dataclass
class Site:
    """A registry behind a proxy, and who publishes there.

    Attributes:
        foreign: tags that a test has given by hand.
    """

    place: Path
    registry: RealRegistry
    proxy: FaultyProxy
    observer: Observer = field(init=False)
    publisher: Publisher = field(init=False)
    machines: list[Publisher] = field(default_factory=list)
    foreign: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.observer = Observer(self.proxy)
        self.publisher = self.machine("machine")

    @property
    def moving(self) -> dict[str, str]:
        """What the tags that move name now."""
        return moving_tags(self.registry, NAME)

    @property
    def tags(self) -> dict[str, str]:
        """What all tags name now."""
        return digests_of_tags(self.registry, NAME)

    @property
    def writes(self) -> list[str]:
        """What somebody tried to write; to begin an upload only asks whether one may."""
        tried = ((method, path) for method, path, _ in self.proxy.log if method in WRITING)
        return [path for method, path in tried if UPLOADS not in path or method == "PUT"]

    @property
    def uploads(self) -> list[str]:
        """The uploads that arrived, by digest."""
        arrived = [path for method, path, status in self.proxy.log if (method, status) == _ARRIVED]
        return [path.rpartition("digest=")[2] for path in arrived if UPLOADS in path]

    def machine(self, name: str, address: str = "") -> Publisher:
        """Set up one that has nothing in common with others but the engine."""
        repository = f"{address or self.proxy.address}/{NAME}"
        self.machines.append(Publisher.at(self.place / name, repository, *VERSIONS))
        return self.machines[-1]

    def assert_published(self, version: str, *, ladder: bool = True) -> None:
        """Check all names of a version."""
        immutable = re.compile(rf"{re.escape(version)}-slim-[0-9a-f]{{12}}")
        tags = self.tags
        (whole,) = [digest for tag, digest in tags.items() if immutable.fullmatch(tag)]
        names = (version, f"{version}-slim", *(LADDER if ladder else ()))
        assert {tag: tags.get(tag) for tag in names} == dict.fromkeys(names, whole)

    def images(self) -> list[str]:
        """List the engine's images that are published here."""
        return self._ours("image", "ls", "--digests", f"--format={_IMAGE}")

    def containers(self) -> list[str]:
        """List the containers of images that are published here, also of images that are gone."""
        there = docker("ps", "--all", "--quiet", "--no-trunc").split()
        return self._ours("inspect", "--format={{.Id}} {{.Config.Image}}", *there) if there else []

    def _ours(self, *command: str) -> list[str]:
        """Ask the engine, which fails if something of anybody's goes away at that moment."""
        found = subprocess.run(["docker", *command], check=False, capture_output=True, text=True)
        if found.returncode and command[0] != "inspect":
            time.sleep(0.2)
            return self._ours(*command)
        return [line for line in found.stdout.splitlines() if self.proxy.address in line]

    def remove_containers(self) -> list[str]:
        """Remove those that are left; tell which."""
        left = self.containers()
        if left:
            docker("rm", "--force", *(line.partition(" ")[0] for line in left))
        return left

    def remove_images(self) -> list[str]:
        """Remove those that are left; tell which."""
        removed: list[str] = []
        # Of several names, the engine may keep one while others remove images beside it, or list it
        # again a moment later: it is gone when it stays away.
        empty = 0
        while empty < TIMES_EMPTY:
            left = self.images()
            empty = 0 if left else empty + 1
            if left:
                removed += left
                docker("image", "rm", "--force", *left)
            time.sleep(PAUSE_SECONDS)
        return removed

    def check(self) -> None:
        """Check what is true at any time: of the registry, and of what is left behind."""
        assert_sound(self.registry, NAME, foreign=self.foreign)
        self.observer.check()
        assert list(self.publisher.temporary.iterdir()) == []
        assert self.images() == []
        assert self.containers() == []


_ARRIVED: Final = ("PUT", 201)
_IMAGE: Final = '{{.Repository}}{{if eq .Digest "<none>"}}:{{.Tag}}{{else}}@{{.Digest}}{{end}}'


@contextmanager
def serve(place: Path, registry: RealRegistry) -> Iterator[Site]:
    """Run a registry, and check it at the end."""
    with registry, FaultyProxy(registry) as proxy:
        site = Site(place, registry, proxy)
        try:
            yield site
        finally:
            for run in [run for machine in site.machines for run in machine.runs]:
                run.kill()
        site.check()


@pytest.fixture(scope="session")
def seed(once: Once) -> Path:
    """Fill a registry's directory: an old version is published there."""
    return once("seed", fill) / "registry" / "storage"


def fill(place: Path) -> None:
    """Publish an old version to a registry in a directory."""
    with RealRegistry(place / "registry") as registry:
        Publisher.at(place / "machine", f"{registry.address}/{NAME}", *VERSIONS).complete(OLD)


@pytest.fixture
def site(seed: Path, tmp_path: Path) -> Iterator[Site]:
    """A registry that holds an old version already."""
    shutil.copytree(seed, tmp_path / "registry" / "storage")
    with serve(tmp_path, RealRegistry(tmp_path / "registry")) as made:
        yield made


@pytest.fixture
def empty(tmp_path: Path) -> Iterator[Site]:
    """A registry that holds nothing."""
    with serve(tmp_path, RealRegistry(tmp_path / "registry")) as made:
        yield made


@dataclass
class Switch:
    """Chooses requests while it is on."""

    when: When
    on: bool = True

    def __call__(self, method: str, path: str) -> bool:
        return self.on and self.when(method, path)


def is_upload(method: str, path: str) -> bool:
    """Choose what brings a blob's content."""
    return method == "PUT" and UPLOADS in path


def is_named(pattern: str) -> When:
    """Choose what gives a tag."""
    wanted = re.compile(rf"/v2/{NAME}/manifests/{pattern}")
    return lambda method, path: method == "PUT" and wanted.fullmatch(path) is not None


# In the order in which a publish sends them, each with its status.
BUSY: Final[dict[str, tuple[int, When]]] = {
    "what is there": (503, lambda m, p: m == "GET" and "/manifests/9" in p),
    "is a blob there": (429, lambda m, p: m == "HEAD" and "/blobs/" in p),
    "begin an upload": (503, lambda m, _: m == "POST"),
    "upload": (429, is_upload),
    "manifest": (500, lambda m, p: m == "PUT" and BY_DIGEST in p),
    "platform": (429, is_named(rf"{NEW}-slim-amd64-.*")),
    "manifest list": (502, is_named(rf"{NEW}-slim-[0-9a-f]{{12}}")),
    "step of the ladder": (429, is_named("latest")),
}


def test_a_registry_that_is_busy_now_and_then_is_waited_for(site: Site) -> None:
    moments: dict[str, list[float]] = {name: [] for name in BUSY}

    def note(method: str, path: str) -> None:
        for name, (_, when) in BUSY.items():
            if when(method, path):
                moments[name].append(time.monotonic())

    site.proxy.on_request(note)
    for status, when in BUSY.values():
        site.proxy.fail(1, status, when, {"Retry-After": "1"} if status == 429 else {})

    site.publisher.complete(NEW)

    site.assert_published(NEW)
    refusals = [exchange for exchange in site.proxy.log if exchange[2] >= FAILURES]
    assert len(refusals) == len(BUSY)
    for name in ("upload", "platform", "step of the ladder"):
        assert moments[name][1] - moments[name][0] >= 1, name


@pytest.mark.parametrize("name", ["upload", "step of the ladder"])
def test_a_registry_that_stays_busy_is_given_up_and_the_same_line_again_completes(
    site: Site, name: str
) -> None:
    before = site.moving
    status, when = 503, Switch(BUSY[name][1])
    site.proxy.fail(MANY, status, when)

    refused(site.publisher.run(NEW), 75, "503", "try again")

    counted = Counter(path.partition("?")[0] for _, path, code in site.proxy.log if code == status)
    assert sum(counted.values()) == MOST_ATTEMPTS
    moved = {tag for tag, digest in site.moving.items() if digest != before.get(tag)}
    # In the order of moving: what is general comes last, and none is skipped.
    assert moved == (set() if name == "upload" else {NEW, f"{NEW}-slim", *LADDER[:-1]})
    site.check()

    when.on, uploads = False, len(site.uploads)
    again = site.publisher.complete(NEW)
    site.assert_published(NEW)
    if name != "upload":
        assert "building" not in again.stderr
        assert len(site.uploads) == uploads


def test_an_upload_of_a_large_cli_that_is_cut_off(site: Site) -> None:
    home = site.publisher.environment
    MadeUp(Path(home["XDG_CACHE_HOME"]), Path(home["XDG_DATA_HOME"]), 20 * MEGABYTE).add(LARGE)
    before = site.moving
    switch = Switch(is_upload)
    site.proxy.cut(MANY, 10 * MEGABYTE, switch)

    refused(site.publisher.run(LARGE), 75)

    cut = [path for method, path, status in site.proxy.log if not status]
    assert len(cut) == MOST_ATTEMPTS
    assert site.moving == before
    site.check()

    switch.on, small = False, site.uploads
    site.proxy.cut(1, 10 * MEGABYTE, is_upload)
    site.publisher.complete(LARGE)
    assert len([path for _, path, status in site.proxy.log if not status]) == MOST_ATTEMPTS + 1
    # What had arrived was not sent again.
    assert len(site.uploads) == len(set(site.uploads))
    assert set(small) <= set(site.uploads)
    assert site.tags[LARGE] == site.tags["2.1"] == site.tags["2"]
    # Older than the other ones.
    assert site.moving["latest"] == before["latest"]


def test_a_registry_that_is_killed_in_the_middle_of_an_upload(empty: Site) -> None:
    killer: list[threading.Thread] = []

    def kill() -> None:
        wait_until(lambda: empty.registry.size() > 5 * MEGABYTE, "an upload")
        empty.registry.kill()

    def on_upload(method: str, path: str) -> None:
        if is_upload(method, path) and not killer:
            killer.append(threading.Thread(target=kill))
            killer[0].start()

    empty.proxy.on_request(on_upload)
    done = empty.publisher.run(OLD, NEW)
    killer[0].join()

    refused(done, 75, "does not answer")
    empty.registry.start()
    assert empty.tags == {}

    empty.publisher.complete(OLD, NEW)
    empty.assert_published(OLD, ladder=False)
    empty.assert_published(NEW)


@root_only
def test_a_registry_whose_disk_is_full(seed: Path, tmp_path: Path) -> None:
    files = [path.stat().st_size for path in seed.rglob("*") if path.is_file()]
    # Enough for the CLI's layer, not for all that comes after it.
    pages = sum(-(-size // PAGE) for size in files) + 40
    with small_disk(tmp_path / "disk", size=str(pages * PAGE)) as disk:
        shutil.copytree(seed, disk / "registry" / "storage")
        with serve(tmp_path, RealRegistry(disk / "registry")) as site:
            before = site.moving

            refused(site.publisher.run(NEW), 75, "500", "try again")

            assert site.moving == before
            site.check()
            subprocess.run(["mount", "-o", "remount,size=1g", str(disk)], check=True)
            site.publisher.complete(NEW)
            site.assert_published(NEW)


@root_only
@pytest.mark.parametrize("there", [True, False], ids=["with a base", "without"])
def test_the_disk_for_temporary_files_is_full(
    request: pytest.FixtureRequest, tmp_path: Path, *, there: bool
) -> None:
    site: Site = request.getfixturevalue("site" if there else "empty")
    usual, before = site.publisher.temporary, site.tags
    with small_disk(tmp_path / "small", size="10m") as small:
        site.publisher.environment["TMPDIR"] = str(small)

        refused(site.publisher.run(NEW), 73, "TMPDIR")

        assert list(small.iterdir()) == []
    assert site.tags == before
    assert site.writes == []
    site.publisher.environment["TMPDIR"] = str(usual)
    site.publisher.complete(NEW)


SIGNALS: Final = pytest.mark.parametrize(
    "number", [signal.SIGINT, signal.SIGTERM], ids=["ctrl-c", "term"]
)


class Interruption:
    """Starts a run, sends it a signal when a certain request is on its way, and drops that."""

    def __init__(self, site: Site, number: int, when: When) -> None:
        self._site = site
        self._number = number
        self._when = when
        self._run: Run | None = None
        self._met = False
        site.proxy.on_request(self._on_request)

    def _on_request(self, method: str, path: str) -> None:
        run = self._run
        if self._when(method, path) and run and not self._met:
            self._met = True
            run.interrupt(self._number)
            wait_until(lambda: run.ended, "the end of what was interrupted")
            raise ConnectionAbortedError  # the proxy takes it for a client that left

    def end(self, *arguments: str, cache: str = "none") -> subprocess.CompletedProcess[str]:
        """Start the command, and wait for its end."""
        self._run = self._site.publisher.start(*arguments, cache=cache)
        done = ended_by(self._number, self._run)
        assert self._met, done.stderr
        return done


def ended_by(number: int, run: Run) -> subprocess.CompletedProcess[str]:
    """Check how a run ends that has been interrupted: soon, quietly, and with all its children."""
    done = run.wait(SOON_SECONDS)
    assert done.returncode == 128 + number, done.stderr
    assert "Traceback" not in done.stderr
    assert "error: " not in done.stderr
    wait_until(lambda: not _is_alive(run.process.pid), "the end of its children")
    return done


def _is_alive(group: int) -> bool:
    """Return whether a process group has members that are more than an entry in a table."""
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            state, _, number = stat.read_text(encoding="utf-8").rpartition(")")[2].split()[:3]
            if int(number) == group and state != "Z":
                return True
    return False


def is_pull_of_what_was_pushed() -> When:
    """Choose what the engine asks when it pulls an image in order to verify it."""
    pushed: set[str] = set()

    def choose(method: str, path: str) -> bool:
        if method == "PUT" and BY_DIGEST in path:
            pushed.add(path)
        return method == "HEAD" and path in pushed

    return choose


def stages() -> dict[str, When]:
    """List where to interrupt, in the order in which a publish comes by."""
    return {
        "building an image": lambda m, p: m == "HEAD" and BY_DIGEST in p,
        "pushing a blob": is_upload,
        "pushing a manifest": lambda m, p: m == "PUT" and BY_DIGEST in p,
        "pulling": is_pull_of_what_was_pushed(),
        "naming a platform": is_named(rf"{NEW}-slim-amd64-.*"),
        "joining": is_named(rf"{NEW}-slim-[0-9a-f]{{12}}"),
        "moving": is_named(re.escape(NEW)),
        "moving the ladder": is_named("9-slim"),
    }


@SIGNALS
def test_whatever_is_interrupted_leaves_nothing_and_the_same_line_again_completes(
    site: Site, number: int
) -> None:
    for stage, when in stages().items():
        before = site.moving
        Interruption(site, number, when).end(NEW)
        after = site.moving
        ladder = {tag: after[tag] for tag in LADDER}
        if stage != "moving the ladder":
            assert {tag: after[tag] for tag in before} == before, stage
        else:
            assert set(ladder.values()) == {before["latest"], after[NEW]}
            assert after["latest"] == before["latest"]
        site.check()

    site.publisher.complete(NEW)
    site.assert_published(NEW)


def test_the_build_of_a_base_is_interrupted(empty: Site) -> None:
    # BuildKit asks for a cache of it first.
    for number in (signal.SIGINT, signal.SIGTERM):
        when = Switch(lambda _, path: "/manifests/cache-base-" in path)
        Interruption(empty, number, when).end(NEW, cache="registry")
        assert empty.tags == {}
        empty.check()

    empty.publisher.complete(NEW)
    empty.assert_published(NEW)


# The script is the last argument.
SLOW_CONTAINER: Final = r'run\ --rm) exec "$DOCKER" "${@:1:$#-1}" "sleep 30; ${@: -1}";;'


@SIGNALS
def test_the_container_that_verifies_is_interrupted(site: Site, number: int) -> None:
    before = site.moving
    site.publisher.wrap_docker(SLOW_CONTAINER)

    run = site.publisher.start(NEW)
    wait_until(lambda: run.ended or site.containers(), "a container")
    time.sleep(1)
    run.interrupt(number)
    ended_by(number, run)

    assert site.remove_containers() == []
    assert site.moving == before


def test_a_download_is_interrupted(site: Site) -> None:
    machine, before = site.publisher, site.tags
    usual, packages, elsewhere = (
        machine.environment["PATH"],
        machine.cache / "packages",
        machine.place / "kept",
    )
    packages.rename(elsewhere)
    machine.hang_npm()

    for number in (signal.SIGINT, signal.SIGTERM):
        run = machine.start(NEW)
        run.wait_for("fetching")
        run.interrupt(number)
        ended_by(number, run)
        assert [path for path in packages.iterdir() if path.suffix != ".lock"] == []
        assert site.tags == before
        site.check()

    machine.environment["PATH"] = usual
    shutil.copytree(elsewhere, packages, dirs_exist_ok=True)
    machine.complete(NEW)
    site.assert_published(NEW)


@SIGNALS
def test_the_question_about_a_version_that_is_not_locked_is_interrupted(
    site: Site, number: int
) -> None:
    asked = site.publisher.hang_npm()

    run = site.publisher.start("9.8.999")
    wait_until(asked.exists, "npm")
    run.interrupt(number)

    ended_by(number, run)


@pytest.mark.parametrize("option", ["--dry-run", "--frozen"])
def test_what_is_not_locked_is_refused_where_nothing_may_be_locked(site: Site, option: str) -> None:
    asked = site.publisher.hang_npm()

    done = site.publisher.run(option, "9.8.999")

    refused(done, 65, "9.8.999 is not locked", "pinnace-build lock")
    assert not asked.exists()
    assert site.writes == []


@pytest.mark.skipif(shutil.which("cosign") is None, reason="there is no cosign")
def test_a_key_that_is_not_there_is_said_before_anything_is_built(site: Site) -> None:
    refused(site.publisher.run("--sign-key=nope.key", NEW), 66, "nope.key")

    assert site.writes == []


@SIGNALS
def test_a_registry_that_hangs_is_interrupted(site: Site, number: int) -> None:
    with held(site.proxy, is_question, lambda: site.publisher.start(NEW)) as run:
        run.interrupt(number)
        ended_by(number, run)


def is_question(method: str, path: str) -> bool:
    """Choose what asks for a manifest."""
    return method == "GET" and "/manifests/" in path


@contextmanager
def held(proxy: FaultyProxy, when: When, start: Callable[[], Run]) -> Iterator[Run]:
    """Start a run, and hold a request of it until this is left."""
    here, go_on = threading.Event(), threading.Event()

    def hold(method: str, path: str) -> None:
        if not here.is_set() and when(method, path):
            here.set()
            go_on.wait(120)

    proxy.on_request(hold)
    run = start()
    try:
        wait_until(lambda: here.is_set() or run.ended, "the request that is held")
        assert here.is_set(), run.said
        yield run
    finally:
        go_on.set()


@SIGNALS
def test_who_waits_for_another_process_is_interrupted(site: Site, number: int) -> None:
    name = f"{lock_name(site.publisher.repository)}.lock"
    with FileLock(site.publisher.cache / name):
        run = site.publisher.start(NEW)
        run.wait_for("waiting for it")
        run.interrupt(number)
        ended_by(number, run)


def test_two_publishes_of_the_same_at_once_build_once(site: Site) -> None:
    runs = [site.publisher.start(NEW) for _ in range(2)]
    done = [run.wait() for run in runs]

    assert [one.returncode for one in done] == [0, 0], [one.stderr for one in done]
    said = "".join(one.stderr for one in done)
    assert said.count(f"pinnace-build: building {NEW}") == 1
    assert said.count("waiting for it") == 1
    assert done[0].stdout == done[1].stdout
    site.assert_published(NEW)


def test_two_versions_at_once(site: Site) -> None:
    runs = [site.publisher.start(version) for version in (NEWEST, NEW)]
    done = [run.wait() for run in runs]

    assert [one.returncode for one in done] == [0, 0], [one.stderr for one in done]
    site.assert_published(NEWEST)
    site.assert_published(NEW, ladder=False)


def test_an_older_version_after_a_newer_one(site: Site) -> None:
    before = site.tags

    site.publisher.complete(OLDER)

    assert {tag: site.tags[tag] for tag in before} == before
    site.assert_published(OLDER, ladder=False)


@contextmanager
def other_machine(site: Site) -> Iterator[tuple[FaultyProxy, Publisher]]:
    """Return a machine that reaches the same registry by another way."""
    with FaultyProxy(site.registry) as proxy:
        observer = Observer(proxy)
        yield proxy, site.machine("other", proxy.address)
        observer.check()


def test_two_machines_publish_the_same(site: Site) -> None:
    with other_machine(site) as (proxy, slow):
        verifies = is_pull_of_what_was_pushed()
        with held(proxy, verifies, lambda: slow.start(NEW)) as run:
            site.publisher.complete(NEW)
            site.assert_published(NEW)
            before = site.tags
        done = run.wait()

    assert done.returncode == 0, done.stderr
    assert site.tags == before


def push_foreign(site: Site, tag: str) -> None:
    """Push an image by hand, as somebody might who does not know of us."""
    there = Registry(f"{site.registry.address}/{NAME}")
    config = json.dumps({"architecture": "amd64", "os": "linux", "config": {}}).encode()
    there.push_blob(digest_of(config), config)
    document = {
        "schemaVersion": 2,
        "mediaType": _MANIFEST,
        "config": {"mediaType": _CONFIG, **described(config)},
        "layers": [],
    }
    there.push_manifest(json.dumps(document).encode(), _MANIFEST, tag)
    site.foreign.add(tag)


def test_a_latest_that_somebody_else_pushed_is_left_alone(site: Site) -> None:
    push_foreign(site, "latest")
    before = site.tags

    refused(site.publisher.run(NEW), 77, "latest", "delete the tag")

    assert site.tags == before
    assert site.writes == []


def test_a_latest_that_somebody_else_pushes_meanwhile_is_left_alone(site: Site) -> None:
    with held(
        site.proxy, is_named(rf"{NEW}-slim-[0-9a-f]{{12}}"), lambda: site.publisher.start(NEW)
    ) as run:
        push_foreign(site, "latest")
        before = site.moving

    refused(run.wait(), 77, "latest", "delete the tag")

    assert site.moving == before


@pytest.mark.parametrize("action", ["build", "join"])
def test_an_immutable_tag_that_somebody_else_pushed_is_not_used(site: Site, action: str) -> None:
    push_foreign(site, site.publisher.tags_of(NEW)[action])
    before = site.tags

    refused(site.publisher.run(NEW), 79, "no tag was moved")

    assert site.tags == before


@pytest.mark.parametrize("what", ["manifests", "blobs"])
def test_other_bytes_than_the_digest_says_are_not_published(site: Site, what: str) -> None:
    before = site.moving
    # An answer like any other, with a body that is not what was asked for.
    site.proxy.fail(MANY, 200, lambda m, p: m == "GET" and f"/{what}/sha256:" in p)

    refused(site.publisher.run(NEW), 79)

    assert site.moving == before


def blob_file(registry: RealRegistry, digest: str) -> Path:
    """Return the file that a registry keeps a blob in."""
    value = digest.removeprefix("sha256:")
    return registry.storage / "docker/registry/v2/blobs/sha256" / value[:2] / value / "data"


def is_question_about_what_was_pushed() -> When:
    """Choose what is asked in order to verify a manifest."""
    pushed: set[str] = set()

    def choose(method: str, path: str) -> bool:
        if method == "PUT" and BY_DIGEST in path:
            pushed.add(path)
        return method == "GET" and path in pushed

    return choose


READ_ONLY: Final = {
    "401": (401, {"WWW-Authenticate": 'Basic realm="pinnace"'}, "docker login"),
    "403": (403, {}, "docker login"),
    "405": (405, {}, "allows"),
}


@pytest.mark.parametrize(("status", "headers", "hint"), READ_ONLY.values(), ids=READ_ONLY)
def test_a_registry_that_only_lets_read(
    site: Site, status: int, headers: dict[str, str], hint: str
) -> None:
    before = site.tags
    site.proxy.fail(MANY, status, lambda method, _: method not in {"GET", "HEAD"}, headers)

    refused(site.publisher.run(NEW), 77, hint)

    assert site.tags == before
    # That does not pass: it is not tried again.
    assert len([exchange for exchange in site.proxy.log if exchange[2] == status]) == 1


WRONG: Final[dict[str, tuple[tuple[str, ...], int, tuple[str, ...]]]] = {
    "variant": (("--variant=none", NEW), 64, ("none",)),
    "repository": (("--repository=https://x/Y", NEW), 64, ("repository",)),
    "repository with a tag": (("--repository=x.example/y:1", NEW), 64, ("without a tag",)),
    "version": (("99.0.0",), 65, ("99.0.0",)),
    "no version": ((), 64, ("no version",)),
    "text": (("newest!",), 65, ("newest!",)),
    "platform": (("--platform=linux/riscv64", NEW), 64, ("linux/riscv64", "linux/arm64")),
    "images file": (("--images=/nonexistent.toml", NEW), 78, ("/nonexistent.toml",)),
    "images directory": (("--images=/tmp", NEW), 64, ("directory",)),
    "builder": (("--builder=nobody", NEW), 64, ("nobody", "buildx ls")),
    "annotation": (("--annotation=x", NEW), 64, ("NAME=VALUE",)),
}


@pytest.mark.parametrize(("arguments", "code", "words"), WRONG.values(), ids=WRONG)
def test_wrong_input(
    empty: Site, arguments: tuple[str, ...], code: int, words: tuple[str, ...]
) -> None:
    refused(empty.publisher.run(*arguments), code, *words)

    assert empty.tags == {}
    assert empty.writes == []


def test_an_image_that_is_larger_than_it_may_be(site: Site) -> None:
    before = site.tags
    images = site.publisher.images
    text = images.read_text(encoding="utf-8")
    images.write_text(re.sub(r"budget_mb = \d+", "budget_mb = 1", text), encoding="utf-8")

    refused(site.publisher.run(NEW), 79, "MB", "budget_mb")

    assert site.tags == before


def make_strange(site: Site) -> str:
    """Replace a base by one with another file in it, which no engine has seen before.

    Give the changed layer's digest. What an engine has seen, it does not ask a registry for.
    """
    site.publisher.complete("--without-claude", "--compression=gzip")
    there = Registry(f"{site.registry.address}/{NAME}")
    (tag,) = [tag for tag in site.tags if tag.startswith("base-slim-amd64-")]
    index = json.loads(site.registry.blob_bytes(site.tags[tag]))
    entry = next(one for one in index["manifests"] if "annotations" not in one)
    document = json.loads(site.registry.blob_bytes(entry["digest"]))
    config = json.loads(site.registry.blob_bytes(document["config"]["digest"]))

    layer = io.BytesIO(gzip.decompress(site.registry.blob_bytes(document["layers"][-1]["digest"])))
    with tarfile.open(fileobj=layer, mode="a") as archive:
        archive.addfile(tarfile.TarInfo(f"usr/share/{os.urandom(8).hex()}"))
    config["rootfs"]["diff_ids"][-1] = digest_of(layer.getvalue())
    packed = gzip.compress(layer.getvalue(), 1)

    document["layers"][-1] |= described(packed)
    document["config"] |= described(json.dumps(config).encode())
    entry |= described(json.dumps(document).encode())
    there.push_blob(digest_of(packed), packed)
    there.push_blob(document["config"]["digest"], json.dumps(config).encode())
    there.push_manifest(json.dumps(document).encode(), _MANIFEST, entry["digest"])
    data = json.dumps({**index, "manifests": [entry]}).encode()
    there.push_manifest(data, index["mediaType"], tag)
    site.observer.puts.clear()
    return digest_of(packed)


def described(data: bytes) -> dict[str, object]:
    """Describe bytes as a manifest does."""
    return {"digest": digest_of(data), "size": len(data)}


def test_the_builders_pull_of_its_base_fails(empty: Site) -> None:
    layer = make_strange(empty)
    pulls: When = lambda m, p: m == "GET" and p.endswith(layer)  # noqa: E731
    for_a_moment = (
        (2, 429, lambda m, p: m == "HEAD" and BY_DIGEST in p),
        (1, 503, pulls),
        (1, 429, pulls),
    )
    switch = Switch(pulls)
    empty.proxy.fail(MANY, 503, switch)

    done = empty.publisher.run(NEW, "--compression=gzip")
    assert NEW not in empty.tags

    switch.on = False
    for count, status, when in for_a_moment:
        empty.proxy.fail(count, status, when)
    empty.publisher.complete(NEW, "--compression=gzip")
    empty.assert_published(NEW)
    answers = [status for method, path, status in empty.proxy.log if pulls(method, path)]
    assert answers[-3:-1] == [503, 429]
    refused(done, 75, "503", "again")


def test_the_pull_that_verifies_fails(site: Site) -> None:
    before, verifies = site.moving, is_pull_of_what_was_pushed()
    switch = Switch(verifies)
    site.proxy.fail(MANY, 503, switch)

    done = site.publisher.run(NEW)
    assert site.moving == before

    switch.on = False
    # More often than the engine tries by itself.
    site.proxy.fail(3, 429, verifies)
    site.publisher.complete(NEW)
    site.assert_published(NEW)
    refused(done, 75, "503", "again")


REFUSED: Final = {
    "pull": r"image\ pull",
    "tag": r"image\ tag",
    "create": r"create\ *",
    "cp": r"cp\ *",
    "run": r"run\ --rm",
}


@pytest.mark.parametrize("pattern", REFUSED.values(), ids=REFUSED)
def test_an_engine_that_refuses(site: Site, pattern: str) -> None:
    before = site.moving
    site.publisher.wrap_docker(f"{pattern}) echo 'no: told to fail' >&2; exit 1;;")

    done = site.publisher.run(NEW)

    refused(done, 70, "told to fail")
    assert "should not happen" not in done.stderr
    assert site.moving == before


def test_an_engine_that_does_not_let_go(site: Site) -> None:
    site.publisher.wrap_docker(r"image\ rm) echo 'no: told to fail' >&2; exit 1;;")

    done = site.publisher.run(NEW)
    site.remove_images()

    # That is no reason to publish nothing.
    assert done.returncode == 0, done.stderr
    assert "told to fail" in done.stderr
    site.assert_published(NEW)
    # Others' removals bring a name back now and then.
    site.remove_images()


def test_a_cache_that_cannot_be_written_fails_nothing(site: Site) -> None:
    site.proxy.fail(MANY, 500, is_named("cache-.*"))

    done = site.publisher.start(NEW, cache="registry").wait()

    assert done.returncode == 0, done.stderr
    site.assert_published(NEW)
    assert not [tag for tag in site.tags if tag.startswith("cache-")]


def test_what_a_killed_publication_left_is_swept_by_the_next_one(site: Site) -> None:
    site.publisher.wrap_docker(SLOW_CONTAINER)
    run = site.publisher.start(NEW)
    wait_until(lambda: run.ended or site.containers(), "a container")
    run.interrupt(signal.SIGKILL)
    run.wait()
    left = list(site.publisher.temporary.glob("pinnace-publish-*"))
    assert left

    site.publisher.complete(NEW)

    assert [path for path in left if path.exists()] == []
    listed = docker("image", "ls", "--format={{.Repository}}:{{.Tag}}")
    nonces = [path.name.removeprefix("pinnace-publish-") for path in left]
    assert [nonce for nonce in nonces if nonce in listed] == []
    site.remove_containers()
