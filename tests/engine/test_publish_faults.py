"""Publishing that is disturbed: no moving tag is ever wrong, and the same line again completes.

The real command publishes to a real registry, through a proxy that fails as it is told. Where a
CLI's size matters it is the real one; elsewhere one of a few hundred bytes takes its place.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
import tomllib
from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest
from filelock import FileLock

from pinnace_builder import spec
from pinnace_builder.publish.service import turn_name
from pinnace_builder.registry import Registry
from tests.engine.conftest import OTHER_VERSION, VERSION, docker
from tests.engine.test_unhappy import refused, root_only, small_disk
from tests.support.fake_docker import wait_until
from tests.support.fake_registry import digest_of
from tests.support.made_up_cli import MadeUp
from tests.support.registry import FaultyProxy, RealRegistry
from tests.support.soundness import (
    Observer,
    assert_sound,
    digests_of_tags,
    moving_tags,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.support.registry import When

OLD, NEW, NEWEST = "9.8.1", "9.8.2", "9.8.3"
NAME: Final = "team/claude"
LADDER: Final = ("9.8-slim", "9.8", "9-slim", "9", "latest-slim", "latest")
UPLOADS: Final = "/blobs/uploads/"
BY_DIGEST: Final = "/manifests/sha256:"
MANY: Final = 1_000_000
MOST_ATTEMPTS: Final = 5
MEGABYTE: Final = 1_000_000
_IMAGES: Final = """
platforms = ["linux/amd64"]

[base]
name = "{name}"
tag = "{tag}"
digest = "{digest}"
suite = "{suite}"
refreshed = {refreshed}

[variants.slim]
title = "Bash and a CLI"
budget_mb = {budget}
packages = ["bash"]
node_packages = ["nodejs"]
"""
_MANIFEST: Final = "application/vnd.oci.image.manifest.v1+json"
_CONFIG: Final = "application/vnd.oci.image.config.v1+json"


def images_toml(*, budget: int = 75) -> str:
    """Declare one small variant on the shipped base."""
    base = tomllib.loads(spec.IMAGES.read_text(encoding="utf-8"))["base"]
    return _IMAGES.format(**base, budget=budget)


@dataclass
class Run:
    """The command at work; what it says is in files."""

    argv: list[str]
    environment: dict[str, str]
    place: Path
    process: subprocess.Popen[bytes] = field(init=False)

    def __post_init__(self) -> None:
        self.place.mkdir(parents=True)
        with self._file("out").open("wb") as out, self._file("err").open("wb") as err:
            self.process = subprocess.Popen(
                self.argv,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                start_new_session=True,
            )

    def _file(self, name: str) -> Path:
        return self.place / name

    @property
    def said(self) -> str:
        """What it has said so far."""
        return self._file("err").read_text(encoding="utf-8", errors="replace")

    def wait_for(self, text: str) -> None:
        """Wait until it says so."""
        wait_until(lambda: text in self.said or self.ended, f"'{text}' in {self.said}")
        assert text in self.said, self.said

    @property
    def ended(self) -> bool:
        return self.process.poll() is not None

    def interrupt(self, number: int) -> None:
        """Do as a terminal does with Ctrl-C, or as a CI does that stops a job."""
        if number == signal.SIGINT:
            os.killpg(self.process.pid, number)
        else:
            self.process.send_signal(number)

    def wait(self, seconds: float = 120) -> subprocess.CompletedProcess[str]:
        """Wait for its end."""
        try:
            code = self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
            pytest.fail(f"it did not end within {seconds} s: {self.said}")
        stdout = self._file("out").read_text(encoding="utf-8")
        return subprocess.CompletedProcess(self.argv, code, stdout, self.said)


@dataclass
class Publisher:
    """`pinnace-build publish` on a machine of its own, but for the engine."""

    place: Path
    address: str
    environment: dict[str, str]
    runs: int = 0

    @classmethod
    def at(cls, place: Path, address: str) -> Publisher:
        """Set up a machine, with made-up CLIs locked and cached."""
        directories = {
            "HOME": place / "home",
            "TMPDIR": place / "tmp",
            "XDG_CACHE_HOME": place / "cache",
            "XDG_DATA_HOME": place / "data",
            "XDG_STATE_HOME": place / "state",
        }
        for directory in directories.values():
            directory.mkdir(parents=True)
        (place / "images.toml").write_text(images_toml(), encoding="utf-8")
        MadeUp(place / "cache", place / "data").add(OLD, NEW, NEWEST)
        usual = {k: v for k, v in os.environ.items() if not k.startswith("PINNACE_")}
        return cls(place, address, usual | {k: str(v) for k, v in directories.items()})

    @property
    def repository(self) -> str:
        return f"{self.address}/{NAME}"

    @property
    def temporary(self) -> Path:
        return Path(self.environment["TMPDIR"])

    def start(self, *arguments: str, cache: str = "none") -> Run:
        """Start it; what is given later counts more."""
        self.runs += 1
        argv = [
            *(sys.executable, "-m", "pinnace_builder.cli", "publish"),
            f"--repository={self.repository}",
            f"--images={self.place / 'images.toml'}",
            *(f"--cache={cache}", "--no-channels"),
            *arguments,
        ]
        return Run(argv, self.environment, self.place / "runs" / str(self.runs))

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run it to its end."""
        return self.start(*arguments).wait()

    def complete(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run it to its end, which is a good one."""
        done = self.run(*arguments)
        assert done.returncode == 0, done.stderr
        return done

    def tag_of(self, *, platform: bool, version: str = NEW) -> str:
        """Give the immutable tag that a version is going to have."""
        steps = json.loads(self.complete("--dry-run", "--json", version).stdout)["result"]
        kind = "build" if platform else "join"
        (tag,) = [s["tag"] for s in steps if s["action"] == kind and version in s["tag"]]
        return str(tag)


@dataclass
class Site:
    """A registry behind a proxy, and who publishes there."""

    place: Path
    registry: RealRegistry
    proxy: FaultyProxy
    publisher: Publisher
    observer: Observer
    foreign: set[str] = field(default_factory=set)
    """Tags that a test has given by hand."""

    @property
    def moving(self) -> dict[str, str]:
        return moving_tags(self.registry, NAME)

    @property
    def tags(self) -> dict[str, str]:
        return digests_of_tags(self.registry, NAME)

    def machine(self, name: str, address: str = "") -> Publisher:
        """Set up another one, without anything in common but the engine."""
        return Publisher.at(self.place / name, address or self.proxy.address)

    def uploads(self) -> list[str]:
        """List the uploads that arrived, by digest."""
        return [
            path.rpartition("digest=")[2]
            for method, path, status in self.proxy.log
            if is_upload(method, path) and status == 201
        ]

    def assert_published(self, version: str, *, ladder: bool = True) -> None:
        """Check all names of a version."""
        tags = self.tags
        (whole,) = [
            d for t, d in tags.items() if re.fullmatch(rf"{version}-slim-[0-9a-f]{{12}}", t)
        ]
        names = (version, f"{version}-slim", *(LADDER if ladder else ()))
        assert {tag: tags.get(tag) for tag in names} == dict.fromkeys(names, whole)

    def assert_tidy(self) -> None:
        """Check that nothing is left on this machine."""
        assert list(self.publisher.temporary.iterdir()) == []
        images = docker("image", "ls", "--all", "--digests", "--format={{.Repository}}@{{.Digest}}")
        assert [line for line in images.splitlines() if self.proxy.address in line] == []
        assert self.containers() == []

    def containers(self) -> list[str]:
        """List the containers of images that are published here, also of images that are gone."""
        all_of_them = docker("ps", "--all", "--quiet", "--no-trunc").split()
        command = ["docker", "inspect", "--format={{.Id}} {{.Config.Image}}", *all_of_them]
        # Somebody else's may have gone meanwhile.
        found = subprocess.run(command, check=False, capture_output=True, text=True).stdout
        return [line for line in found.splitlines() if self.proxy.address in line]

    def check(self) -> None:
        """Check all that is true of every registry at any time."""
        assert_sound(self.registry, NAME, foreign=self.foreign)
        self.observer.check()
        self.assert_tidy()


@contextmanager
def _site(place: Path, registry: RealRegistry) -> Iterator[Site]:
    with registry, FaultyProxy(registry) as proxy:
        publisher = Publisher.at(place / "machine", proxy.address)
        made = Site(place, registry, proxy, publisher, Observer(proxy))
        yield made
        made.check()


@pytest.fixture(scope="session")
def seed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Fill a registry's directory: an old version is published there."""
    place = tmp_path_factory.mktemp("seed")
    with RealRegistry(place / "registry") as registry:
        Publisher.at(place / "machine", registry.address).complete(OLD)
    return registry.storage


@pytest.fixture
def site(seed: Path, tmp_path: Path) -> Iterator[Site]:
    """A registry that holds an old version already."""
    shutil.copytree(seed, tmp_path / "registry" / "storage")
    with _site(tmp_path, RealRegistry(tmp_path / "registry")) as made:
        assert set(made.moving) == {OLD, f"{OLD}-slim", *LADDER}
        yield made


@pytest.fixture
def empty(tmp_path: Path) -> Iterator[Site]:
    """A registry that holds nothing."""
    with _site(tmp_path, RealRegistry(tmp_path / "registry")) as made:
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
    refusals = [exchange for exchange in site.proxy.log if exchange[2] >= 429]
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

    when.on, uploads = False, len(site.uploads())
    again = site.publisher.complete(NEW)
    site.assert_published(NEW)
    if name != "upload":
        assert "building" not in again.stderr
        assert len(site.uploads()) == uploads


def test_an_upload_of_a_real_cli_that_is_cut_off(site: Site) -> None:
    site.publisher.environment["XDG_CACHE_HOME"] = os.environ["XDG_CACHE_HOME"]
    before = site.moving
    switch = Switch(is_upload)
    site.proxy.cut(MANY, 50 * MEGABYTE, switch)

    refused(site.publisher.run(VERSION), 75)

    cut = [path for method, path, status in site.proxy.log if not status]
    assert len(cut) == MOST_ATTEMPTS
    assert site.moving == before
    site.check()

    switch.on, small = False, site.uploads()
    site.proxy.cut(1, 50 * MEGABYTE, is_upload)
    site.publisher.complete(VERSION)
    assert len([path for _, path, status in site.proxy.log if not status]) == MOST_ATTEMPTS + 1
    # What had arrived was not sent again.
    assert len(site.uploads()) == len(set(site.uploads()))
    assert set(small) <= set(site.uploads())
    assert site.tags[VERSION] == site.tags["2.1"] == site.tags["2"]
    # Older than the made-up one.
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
    used = sum(path.stat().st_size for path in seed.rglob("*"))
    with small_disk(tmp_path / "disk", size=str(used + 20 * MEGABYTE)) as disk:
        shutil.copytree(seed, disk / "registry" / "storage")
        with _site(tmp_path, RealRegistry(disk / "registry")) as site:
            before = site.moving
            site.publisher.environment["XDG_CACHE_HOME"] = os.environ["XDG_CACHE_HOME"]

            refused(site.publisher.run(OTHER_VERSION), 75, "500", "try again")

            assert site.moving == before
            site.check()
            mount = ["mount", "-o", "remount,size=2g", str(disk)]
            subprocess.run(mount, check=True)
            site.publisher.complete(OTHER_VERSION)
            assert site.tags[OTHER_VERSION] == site.tags["2.1"]


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
    assert not [method for method, _, _ in site.proxy.log if method in {"POST", "PUT"}]
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
    wait_until(lambda: run.ended, "the end of what was interrupted")
    done = run.wait()
    assert done.returncode == 128 + number, done.stderr
    assert "Traceback" not in done.stderr
    assert "error: " not in done.stderr
    wait_until(lambda: not _is_alive(run.process.pid), "the end of its children")
    return done


def _is_alive(group: int) -> bool:
    """Tell whether a process group has members that are more than an entry in a table."""
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


@SIGNALS
def test_the_build_of_a_base_is_interrupted(empty: Site, number: int) -> None:
    when = Switch(lambda _, path: "/manifests/cache-base-" in path)

    Interruption(empty, number, when).end(NEW, cache="registry")

    assert empty.tags == {}
    empty.check()
    empty.publisher.complete(NEW)
    empty.assert_published(NEW)


@SIGNALS
def test_the_container_that_verifies_is_interrupted(site: Site, number: int) -> None:
    before = site.moving
    # The script is the last argument.
    slow = 'exec "$DOCKER" "${@:1:$#-1}" "sleep 30; ${@: -1}";;'
    wrap_docker(site.publisher, f"'container run') {slow}")

    run = site.publisher.start(NEW)
    wait_until(lambda: run.ended or site.containers(), "a container")
    time.sleep(1)
    run.interrupt(number)
    ended_by(number, run)

    left = site.containers()
    if left:
        docker("rm", "--force", *(line.partition(" ")[0] for line in left))
    assert left == []
    assert site.moving == before


@SIGNALS
def test_a_download_is_interrupted(site: Site, number: int) -> None:
    machine = site.publisher
    packages = machine.place / "cache" / "pinnace" / "packages"
    packages.rename(machine.place / "packages")
    slow_npm(machine)
    before = site.tags

    run = machine.start(NEW)
    run.wait_for("fetching")
    run.interrupt(number)
    ended_by(number, run)

    assert [path for path in packages.iterdir() if path.suffix != ".lock"] == []
    assert site.tags == before
    site.assert_tidy()
    shutil.copytree(machine.place / "packages", packages, dirs_exist_ok=True)
    machine.complete(NEW)


@SIGNALS
def test_the_question_about_a_version_that_is_not_locked_is_interrupted(
    site: Site, number: int
) -> None:
    asked = slow_npm(site.publisher)

    run = site.publisher.start("9.8.999")
    wait_until(asked.exists, "npm")
    run.interrupt(number)

    ended_by(number, run)


def slow_npm(machine: Publisher) -> Path:
    """Give a machine an npm that never ends; give the file that it makes when it is called."""
    directory = machine.place / "bin"
    directory.mkdir()
    called = directory / "called"
    (directory / "npm").write_text(f"#!/bin/sh\n: > '{called}'\nexec sleep 600\n")
    (directory / "npm").chmod(0o755)
    machine.environment["PATH"] = f"{directory}{os.pathsep}{machine.environment['PATH']}"
    return called


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
    directory = site.publisher.place / "cache" / "pinnace"
    with FileLock(directory / f"{turn_name(site.publisher.repository)}.lock"):
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
    site.publisher.complete(NEWEST)
    before = site.tags

    site.publisher.complete(NEW)

    assert {tag: site.tags[tag] for tag in before} == before
    site.assert_published(NEWEST)
    site.assert_published(NEW, ladder=False)


@contextmanager
def other_machine(site: Site) -> Iterator[tuple[FaultyProxy, Publisher]]:
    """Give a machine that reaches the same registry by another way."""
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


def test_two_machines_publish_two_versions(site: Site) -> None:
    with other_machine(site) as (proxy, slow):
        with held(proxy, is_named(f"{NEW}-slim"), lambda: slow.start(NEW)) as run:
            site.publisher.complete(NEWEST)
            site.assert_published(NEWEST)
        done = run.wait()

    assert done.returncode == 0, done.stderr
    site.assert_published(NEW, ladder=False)
    # What the slow one saw before it began to move tags is no longer true.
    site.assert_published(NEWEST)


def test_two_users_of_one_engine_publish_the_same(site: Site) -> None:
    slow = site.machine("other")
    gate = slow.place / "gate"
    wrap_docker(slow, f"container create) while [ ! -e '{gate}' ]; do sleep 0.1; done;;")
    run = slow.start(NEW)
    run.wait_for("verifying")
    site.publisher.complete(NEW)
    before = site.tags
    gate.touch()

    done = run.wait()

    assert done.returncode == 0, done.stderr
    assert site.tags == before


def wrap_docker(machine: Publisher, case: str) -> None:
    """Put a docker client first on PATH that does something else with a certain subcommand."""
    directory, real = machine.place / "bin", shutil.which("docker")
    directory.mkdir()
    script = f'#!/bin/bash\nDOCKER="{real}"\ncase "$1 $2" in\n{case}\nesac\nexec "$DOCKER" "$@"\n'
    (directory / "docker").write_text(script, encoding="utf-8")
    (directory / "docker").chmod(0o755)
    machine.environment["PATH"] = f"{directory}{os.pathsep}{machine.environment['PATH']}"


def push_foreign(site: Site, tag: str) -> None:
    """Push an image by hand, as somebody might who does not know of us."""
    there = Registry(f"{site.registry.address}/{NAME}")
    config = json.dumps({"architecture": "amd64", "os": "linux", "config": {}}).encode()
    there.push_blob(digest_of(config), config)
    described = {"mediaType": _CONFIG, "digest": digest_of(config), "size": len(config)}
    document = {"schemaVersion": 2, "mediaType": _MANIFEST, "config": described, "layers": []}
    there.push_manifest(json.dumps(document).encode(), _MANIFEST, tag)
    site.foreign.add(tag)


def test_a_latest_that_somebody_else_pushed_is_left_alone(site: Site) -> None:
    push_foreign(site, "latest")
    before = site.tags

    refused(site.publisher.run(NEW), 77, "latest", "delete the tag")

    assert site.tags == before
    assert not [method for method, _, _ in site.proxy.log if method in {"POST", "PUT"}]


def test_a_latest_that_somebody_else_pushes_meanwhile_is_left_alone(site: Site) -> None:
    with held(
        site.proxy, is_named(rf"{NEW}-slim-[0-9a-f]{{12}}"), lambda: site.publisher.start(NEW)
    ) as run:
        push_foreign(site, "latest")
        before = site.moving

    refused(run.wait(), 77, "latest", "delete the tag")

    assert site.moving == before


@pytest.mark.parametrize("platform", [True, False], ids=["platform", "manifest list"])
def test_an_immutable_tag_that_somebody_else_pushed_is_not_used(
    site: Site, *, platform: bool
) -> None:
    push_foreign(site, site.publisher.tag_of(platform=platform))
    before = site.tags

    refused(site.publisher.run(NEW), 79, "no tag was moved")

    assert site.tags == before


@pytest.mark.parametrize("what", ["manifest", "config", "layer", "a layer that goes away"])
def test_what_the_registry_has_changed_is_not_published(site: Site, what: str) -> None:
    before = site.moving
    with held(
        site.proxy, is_question_about_what_was_pushed(), lambda: site.publisher.start(NEW)
    ) as run:
        (put, *_) = [p for m, p, _ in site.proxy.log if m == "PUT" and BY_DIGEST in p]
        manifest = put.rpartition("/")[2]
        document = json.loads(site.registry.blob_bytes(manifest))
        chosen = {"manifest": manifest, "config": document["config"]["digest"]}
        digest = chosen.get(what, document["layers"][-1]["digest"])
        file = blob_file(site.registry, digest)
        data = file.read_bytes()
        if "goes away" in what:
            file.unlink()
        else:
            file.write_bytes(data[:-2] + bytes((data[-2] ^ 1, data[-1])))

    refused(run.wait(), 79)

    assert site.moving == before


def blob_file(registry: RealRegistry, digest: str) -> Path:
    """Give the file that a registry keeps a blob in."""
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
    "builder": (("--builder=nobody", NEW), 70, ("nobody",)),
    "annotation": (("--annotation=x", NEW), 64, ("NAME=VALUE",)),
}


@pytest.mark.parametrize(("arguments", "code", "words"), WRONG.values(), ids=WRONG)
def test_wrong_input(
    empty: Site, arguments: tuple[str, ...], code: int, words: tuple[str, ...]
) -> None:
    refused(empty.publisher.run(*arguments), code, *words)

    assert empty.tags == {}
    assert not [method for method, _, _ in empty.proxy.log if method in {"POST", "PUT"}]


def test_an_image_that_is_larger_than_it_may_be(site: Site) -> None:
    before = site.tags
    images = site.publisher.place / "images.toml"
    images.write_text(images_toml(budget=1), encoding="utf-8")

    refused(site.publisher.run(NEW), 79, "MB", "budget_mb")

    assert site.tags == before


PULLS: Final = pytest.mark.parametrize("what", ["base", "image"])


def is_pull(what: str) -> When:
    """Choose what the engine asks: to build upon a base, or to verify an image."""
    verifies = is_pull_of_what_was_pushed()

    def choose(method: str, path: str) -> bool:
        verified = verifies(method, path)
        return verified if what == "image" else method == "HEAD" and BY_DIGEST in path

    return choose


@PULLS
def test_the_engines_pull_fails_for_a_moment(site: Site, what: str) -> None:
    # More than the engine tries by itself.
    site.proxy.fail(2, 429, is_pull(what))
    site.proxy.fail(1, 503, is_pull(what))

    site.publisher.complete(NEW)

    site.assert_published(NEW)


@PULLS
def test_the_engines_pull_fails_again_and_again(site: Site, what: str) -> None:
    before = site.moving
    switch = Switch(is_pull(what))
    site.proxy.fail(MANY, 503, switch)

    refused(site.publisher.run(NEW), 75, "503", "again")

    assert site.moving == before
    switch.on = False
    site.publisher.complete(NEW)


@pytest.mark.parametrize("subcommand", ["image pull", "container create", "container run"])
def test_an_engine_that_refuses(site: Site, subcommand: str) -> None:
    before = site.moving
    wrap_docker(site.publisher, f"'{subcommand}') echo 'no: told to fail' >&2; exit 1;;")

    done = site.publisher.run(NEW)

    refused(done, 70, "told to fail")
    assert "should not happen" not in done.stderr
    assert site.moving == before


def test_a_cache_that_cannot_be_written_fails_nothing(site: Site) -> None:
    site.proxy.fail(MANY, 500, is_named("cache-.*"))

    done = site.publisher.start(NEW, cache="registry").wait()

    assert done.returncode == 0, done.stderr
    site.assert_published(NEW)
    assert not [tag for tag in site.tags if tag.startswith("cache-")]
