"""What the tests on the real engine share. An absent engine is a failure, never a skip."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import shutil
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Final, TypeAlias

import pytest
from filelock import FileLock

from pinnace import Pinnace
from pinnace.launch.standby import PREFIX
from pinnace_core import built as built_here
from pinnace_core import host
from pinnace_images import contract
from tests.support import as_user, outside, podman, starts
from tests.support.made_up_cli import MadeUp
from tests.support.messages_api import MessagesApi, Text
from tests.support.own_engine import OwnEngine, own_engine
from tests.support.registry import RealRegistry
from tests.support.soak import VARIABLE
from tests.support.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.support.outside import Outside

# What is killed at moments of chance looks for what nobody knows of: `make soak`.
collect_ignore = [] if os.environ.get(VARIABLE) else ["test_soak.py"]

Once: TypeAlias = "Callable[[str, Callable[[Path], object]], Path]"

VERSION = "2.1.330"
OTHER_VERSION = "2.1.329"
"""Locked, too; no test touches its images, which may be somebody's."""
KEY = "sk-ant-canary-key-0123456789abcdefghij"
"""Of the user, where it stays outside; nothing else looks like it."""
# Read before any fixture moves it: packages of 170 MB are fetched once, not once a test.
_CACHE = host.directory("cache").parent
_REAL_ENVIRONMENT = dict(os.environ)
_NPMRC = Path.home() / ".npmrc"
_DROPPED = ("ANTHROPIC_", "CLAUDE", "PINNACE_", "XDG_", "IS_SANDBOX")
_PROGRAM = ["-m", "pinnace"]
_STATE = Path(".local", "state", "pinnace")
# As the developer's own, before any fixture moves it.
_BUILT = built_here.directory()
# That it is what it claims, and where its package managers load from.
_KNOWN = ("verified", "registries")
# Nothing here takes long, on a new machine either, but for what a session prepares once.
_PATIENCE_SECONDS = 300


ONLY_ROOT: Final = pytest.mark.skipif(os.getuid() != 0, reason="only root can become somebody else")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Begin launches in the ways that a test is marked for: see `tests.support.starts`."""
    if "way_to_begin" in metafunc.fixturenames:
        chosen = starts.chosen(metafunc.definition)
        metafunc.parametrize("way_to_begin", chosen, indirect=True, scope="module")


@dataclass
class Launcher:
    """`pinnace` in a project, with directories of its own and the stand-in API.

    Attributes:
        place: all of its projects are below it.
        project: where it is started.
        environment: of it.
        program: how it is spelled.
        children: what was started.
        way: how a launch is begun, see `tests.support.starts`.
        known: directory of what a launch finds out about the pinned image, if one has.
    """

    place: Path
    project: Path
    environment: dict[str, str]
    program: list[str] = field(default_factory=lambda: [sys.executable, *_PROGRAM])
    children: list[subprocess.Popen[str]] = field(default_factory=list)
    way: str = starts.COLD
    known: ClassVar[Path | None] = None

    def argv(self, *arguments: str) -> list[str]:
        """Spell the command."""
        home = Path(self.environment["HOME"])
        ours = home.is_dir() and home.stat().st_uid == os.getuid()
        # Not in the home of another user, nor where a test has moved the directory.
        if ours and self.program[1:] == _PROGRAM and "XDG_STATE_HOME" not in self.environment:
            self._make_known(home / _STATE)
        begun = starts.argv(self.way, arguments) if self.program[1:] == _PROGRAM else None
        return begun or [*self.program, *arguments]

    def _make_known(self, state: Path) -> None:
        """Pass on what is known of the images here: to find it out takes longer than a launch."""
        pass_on_builds(Path(self.environment["HOME"]))
        for kind in _KNOWN if self.known else ():
            assert self.known is not None
            if not (state / kind).exists():
                shutil.copytree(self.known / kind, state / kind)

    def start(self, *arguments: str, **options: object) -> subprocess.Popen[str]:
        """Start it with pipes."""
        child: subprocess.Popen[str] = subprocess.Popen(  # type: ignore[call-overload]
            self.argv(*arguments),
            cwd=self.project,
            env=self.environment,
            text=True,
            **{
                "stdin": subprocess.DEVNULL,
                "stdout": subprocess.PIPE,
                "stderr": subprocess.PIPE,
                **options,
            },
        )
        self.children.append(child)
        return child

    def run(self, *arguments: str, text: str = "") -> subprocess.CompletedProcess[str]:
        """Run it to its end."""
        return subprocess.run(
            self.argv(*arguments),
            cwd=self.project,
            env=self.environment,
            input=text,
            capture_output=True,
            text=True,
            check=False,
            timeout=_PATIENCE_SECONDS,
        )

    def printed(self, *options: str, claude: tuple[str, ...] = ()) -> str:
        """Return the line of a dry run, once a launch has made the files that it names."""
        done = self.run("run", "--dry-run", *options, *claude)
        assert done.returncode == 0, done.stderr
        if "a launch would first" in done.stderr:
            launched = self.run("run", *options, "--", "--version")
            assert launched.returncode == 0, launched.stderr
            # By now it is known what package managers load from.
            done = self.run("run", "--dry-run", *options, *claude)
        return done.stdout

    def paste(self, line: str) -> subprocess.CompletedProcess[str]:
        """Run a line that was printed, anywhere: what the engine does of what was decided."""
        return subprocess.run(
            ["sh", "-c", line],
            cwd=self.place,
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=_PATIENCE_SECONDS,
        )

    def build(self, version: str) -> str:
        """Build an image as this user would; return its id."""
        return build(version, self.environment)

    def end(self) -> None:
        """End what was started here and is still there, with the containers of its projects."""
        for child in self.children:
            if child.poll() is None:
                child.kill()
            child.wait()
            for stream in (child.stdin, child.stdout, child.stderr):
                if stream:
                    stream.close()
        end_keepers(self.place)
        for container in containers_below(self.place):
            # It may be going already.
            subprocess.run(["docker", "rm", "--force", container], check=False, capture_output=True)
        if self.way == starts.DETACHED:
            # Their records lie below that place, too.
            wait_until(lambda: not keepers_below(self.place), "the end of what is detached")


def keepers_below(directory: Path) -> list[str]:
    """List the processes that keep detached launches of projects below a directory."""
    found = []
    for place in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            is_keeper = b"pinnace.launch.keeper" in (place / "cmdline").read_bytes()
            if is_keeper and (place / "cwd").readlink().is_relative_to(directory):
                found.append(place.name)
    return found


def become(launcher: Launcher, uid: int, gid: int, *groups: int) -> None:
    """Let another user launch, who may use the engine, and finds modules that he can read."""
    every = (Path("/var/run/docker.sock").stat().st_gid, *groups)
    numbers = (str(uid), str(gid), ",".join(map(str, every)))
    launcher.program = [sys.executable, as_user.__file__, *numbers]
    pass_on_builds(Path(launcher.environment["HOME"]), owner=(uid, gid))
    modules = launcher.place / "modules"
    if not modules.exists():
        launcher.environment |= as_user.readable(modules)


@pytest.fixture
def tmp_path() -> Iterator[Path]:
    """Make a directory that any user reaches; pytest's own are closed, again by every session."""
    made = Path(tempfile.mkdtemp(prefix="pinnace-test-"))
    made.chmod(0o755)
    try:
        yield made
    finally:
        shutil.rmtree(made)


@pytest.fixture(scope="session")
def once(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Once:
    """Fill a directory that all workers share: by the first that asks, and by nobody else."""
    own = tmp_path_factory.getbasetemp()
    shared = own if worker_id == "master" else own.parent

    def fill(name: str, how: Callable[[Path], object]) -> Path:
        place, part = shared / name, shared / f"{name}.part"
        with FileLock(shared / f"{name}.lock"):
            if not place.exists():
                part.mkdir()
                how(part)
                part.rename(place)
        return place

    return fill


@pytest.fixture(scope="session")
def image(once: Once) -> str:
    """Build the pinned image, or find it built, and let a launch look at it; return its id."""
    _build_gateway()
    built = build(VERSION, _REAL_ENVIRONMENT)
    Launcher.known = once("known", _find_out)
    return built


def _find_out(place: Path) -> None:
    """Launch the pinned image; keep what that found out about it."""
    with tempfile.TemporaryDirectory(prefix="pinnace-test-") as made:
        Path(made).chmod(0o755)
        with launching(Path(made), "http://127.0.0.1:9") as launcher:
            done = launcher.run("run", "--", "--version")
            assert done.returncode == 0, done.stderr
            for kind in _KNOWN:
                shutil.copytree(Path(launcher.environment["HOME"], _STATE, kind), place / kind)


@pytest.fixture(scope="session")
def gateway_image() -> str:
    """Build the gateway's image, or find it built; return its name."""
    _build_gateway()
    return contract.GATEWAY_NAME


@pytest.fixture(scope="module")
def engine(image: str, gateway_image: str) -> Iterator[OwnEngine]:
    """Run an engine that may be ended, with the images that a launch needs."""
    assert image
    with own_engine() as made:
        made.load(contract.local_name(VERSION, contract.DEFAULT_VARIANT), gateway_image)
        yield made


def _build_gateway() -> None:
    command = [sys.executable, "-m", "pinnace_builder", "gateway"]
    done = subprocess.run(command, check=False, env=_REAL_ENVIRONMENT, stdout=subprocess.PIPE)
    assert done.returncode == 0, "the gateway's image could not be built: see above"


def build(version: str, environment: dict[str, str]) -> str:
    """Build an image with the real command; return its id."""
    command = [sys.executable, "-m", "pinnace_builder", "build", version]
    done = subprocess.run(command, check=False, env=environment, stdout=subprocess.PIPE, text=True)
    assert done.returncode == 0, "the image could not be built: see above"
    return docker("image", "inspect", "--format", "{{.Id}}", done.stdout.strip())


def new_version() -> str:
    """Return the number of a version that was never published, and that nobody else takes."""
    return f"9.{secrets.randbelow(9_000) + 1_000}.{secrets.randbelow(9_000) + 1_000}"


def images_of(version: str) -> set[str]:
    """List the images of a version, also those that the engine does not list by itself."""
    label = f"--filter=label={contract.LABEL_VERSION}={version}"
    found = docker("image", "ls", "-aq", "--no-trunc", label).split()
    name = contract.local_name(version, contract.DEFAULT_VARIANT)
    # A completed base may carry its label where the engine does not look for it.
    asked = ["docker", "image", "inspect", "--format={{.Id}}", name]
    done = subprocess.run(asked, check=False, capture_output=True, text=True)
    return {*found, *done.stdout.split()}


def remove_images(version: str) -> None:
    """Remove the images of a version that is a test's own."""
    assert version.startswith("9."), "somebody may need it"
    remove_images_by_id(images_of(version))


def remove_images_by_id(ids: set[str]) -> None:
    """Remove images, of which one may go with another; those that are left are a failure."""
    # The engine refuses while it still puts away a container of the image's.
    for _ in range(20):
        for image in ids:
            _succeeds("image", "rm", "--force", image)
        # Not by a list: one that goes meanwhile fails all of it.
        ids = {image for image in ids if _succeeds("image", "inspect", image)}
        if not ids:
            return
        time.sleep(0.5)
    assert ids == set()


def _succeeds(*arguments: str) -> bool:
    done = subprocess.run(["docker", *arguments], check=False, capture_output=True)
    return done.returncode == 0


def docker(*arguments: str) -> str:
    """Ask the engine."""
    done = subprocess.run(
        ["docker", *arguments], check=True, capture_output=True, text=True, env=_REAL_ENVIRONMENT
    )
    return done.stdout.strip()


def containers_of(project: Path) -> list[str]:
    """List the containers of a project's launches; one that waits for a launch is none."""
    of_project = ("--filter", f"label=pinnace.run.workspace={project}")
    lines = docker("ps", "-a", *of_project, "--format={{.ID}} {{.Names}}").splitlines()
    return [line.split()[0] for line in lines if PREFIX not in line]


@pytest.fixture
def api() -> Iterator[MessagesApi]:
    """Serve the stand-in API where containers reach it."""
    with MessagesApi([Text("Hello from the stand-in")], host="0.0.0.0") as server:  # noqa: S104
        yield server


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[RealRegistry]:
    """Serve a real registry on loopback, empty at first."""
    with RealRegistry(tmp_path / "registry") as server:
        yield server


@pytest.fixture(scope="module")
def way_to_begin(request: pytest.FixtureRequest) -> str:
    """Return how launches are begun: as the test is marked."""
    return str(getattr(request, "param", starts.COLD))


@pytest.fixture
def launcher(tmp_path: Path, api: MessagesApi, way_to_begin: str) -> Iterator[Launcher]:
    """Return `pinnace` in a pinned project; what a failed test leaves running is ended."""
    with launching(tmp_path, api.url_for("host.docker.internal"), way_to_begin) as made:
        yield made


@contextmanager
def launching(place: Path, url: str, way: str = starts.COLD) -> Iterator[Launcher]:
    """Give `pinnace` in a pinned project below a directory, and end what runs of it.

    Args:
        place: an empty directory.
        url: of the API.
        way: how launches are begun.
    """
    project = place / "project"
    project.mkdir()
    (project / ".claude-version").write_text(f"{VERSION}\n", encoding="utf-8")
    home = place / "home"
    home.mkdir()
    kept = {k: v for k, v in _REAL_ENVIRONMENT.items() if not k.startswith(_DROPPED)}
    made = Launcher(
        place,
        project,
        kept
        | {
            "HOME": str(home),
            "PWD": str(project),
            "XDG_CACHE_HOME": str(_CACHE),
            "NPM_CONFIG_USERCONFIG": str(_NPMRC),
            "ANTHROPIC_BASE_URL": url,
            "ANTHROPIC_API_KEY": "sk-ant-test-0123456789abcdefghijklmnop",
            "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
            "CLAUDE_CODE_MAX_RETRIES": "0",
            # Nothing is left that a test did not ask for.
            "PINNACE_STANDBY": "0",
            "TERM": "xterm-256color",
        },
        way=way,
    )
    try:
        yield made
    finally:
        made.end()


def pass_on_builds(home: Path, *, owner: tuple[int, int] | None = None, loaded: str = "") -> None:
    """Let launches know what was built here: the gateway's image is not built by each test.

    Args:
        home: of who launches.
        owner: user and group, who own all that is made; None: this process's.
        loaded: id of an image that counts as built here, too.
    """
    target = home / _STATE / _BUILT.name
    target.mkdir(parents=True, exist_ok=True, mode=0o700)
    for record in _BUILT.glob("sha256-*"):
        with contextlib.suppress(FileNotFoundError):
            shutil.copyfile(record, target / record.name)
            (target / record.name).chmod(0o600)
    if loaded:
        (target / loaded.replace(":", "-")).write_text(loaded)
    if owner:
        for path in (home / ".local", *(home / ".local").rglob("*")):
            os.chown(path, *owner)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory, image: str) -> Iterator[Outside]:
    """The world outside."""
    yield from outside.outside(tmp_path_factory.mktemp("outside") / "certificate", image)


@pytest.fixture
def isolated(launcher: Launcher, api: MessagesApi, image: str) -> Launcher:
    """`pinnace` with isolation `standard`, and the stand-in API on the host's loopback."""
    assert image
    launcher.environment |= {
        "PINNACE_ISOLATION": "standard",
        "ANTHROPIC_BASE_URL": api.url_for("127.0.0.1"),
        "ANTHROPIC_API_KEY": KEY,
    }
    return launcher


@pytest.fixture
def at_home(isolated: Launcher, monkeypatch: pytest.MonkeyPatch) -> Launcher:
    """Likewise, and this process itself is at home there: for programs that launch."""
    isolated.argv()
    for name in ("HOME", "XDG_CACHE_HOME"):
        monkeypatch.setenv(name, isolated.environment[name])
    for name in ("XDG_STATE_HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "PWD"):
        monkeypatch.delenv(name, raising=False)
    return isolated


@pytest.fixture
def box(at_home: Launcher) -> Pinnace:
    """Return a box of that project."""
    kept = ("ANTHROPIC_", "CLAUDE_CODE_")
    env = {n: v for n, v in at_home.environment.items() if n.startswith(kept)}
    return Pinnace(at_home.project, env=env)


@pytest.fixture
def connected(isolated: Launcher, world: Outside) -> Launcher:
    """Likewise, with a gateway on the network of the world outside."""
    isolated.environment |= {
        "PINNACE_GATEWAY_NETWORK": world.network,
        "PINNACE_CERTIFICATES": str(world.authority),
        "PINNACE_ALLOW": f"{outside.LISTED},*.below.example,{outside.PLAIN}:80",
    }
    return isolated


def await_beats(launcher: Launcher, count: int = 4) -> None:
    """Wait until a launcher's one gateway has looked so often whether anybody is there."""
    state = Path(launcher.environment["HOME"], _STATE)
    (logs,) = state.glob("network/*/")
    sign = logs / "unused"
    # A new one makes it as soon as all of it runs, which may be after its API answers.
    wait_until(sign.exists, "the first beat of the gateway")
    for _ in range(count):
        last = sign.stat().st_mtime_ns
        wait_until(lambda last=last: sign.stat().st_mtime_ns != last, "a beat of the gateway")  # type: ignore[misc]


def containers_below(directory: Path) -> list[str]:
    """List the containers of launches, and of gateways, whose projects are below a directory."""
    below = []
    for label in (contract.LABEL_RUN_WORKSPACE, contract.LABEL_RUN_GATEWAY):
        shown = f'{{{{.ID}}}} {{{{.Label "{label}"}}}}'
        listed = docker("ps", "-a", f"--filter=label={label}", f"--format={shown}")
        found = (line.partition(" ") for line in listed.splitlines())
        below += [number for number, _, place in found if Path(place).is_relative_to(directory)]
    return below


def end_keepers(directory: Path, *, at_once: bool = False) -> None:
    """End the keepers of gateways that lie below a directory, and wait for that."""
    pattern = f"pinnace.gateway.keeper {directory}/"
    for attempt in range(100):
        kind = "-TERM" if attempt < 80 and not at_once else "-KILL"
        done = subprocess.run(["pkill", kind, "-f", pattern], check=False)
        if done.returncode != 0:
            return
        time.sleep(0.2)


@pytest.fixture
def other(launcher: Launcher, tmp_path: Path) -> Iterator[str]:
    """Lock and cache another version for the launcher, of which there are no images yet.

    It is made up: nobody else has it, so that its images can be removed and built again.
    """
    version = new_version()
    packages = MadeUp(tmp_path / "packages", tmp_path / "lock")
    packages.add(version)
    launcher.environment |= {
        "XDG_CACHE_HOME": str(packages.cache),
        "XDG_DATA_HOME": str(packages.data),
    }
    try:
        yield version
    finally:
        launcher.end()
        remove_images(version)


@pytest.fixture(scope="session")
def somebody() -> Iterator[podman.PodmanUser]:
    """Make an ordinary user, who can run podman, and docker rootless."""
    user = podman.install(rootlesskit=True)
    user.end()  # what an earlier session was killed with
    try:
        yield user
    finally:
        user.end()


@pytest.fixture(scope="session")
def empty_engine() -> Iterator[OwnEngine]:
    """Run an engine whose every image, container and volume is the tests' own."""
    with own_engine() as engine:
        yield engine


def launches_noted(launcher: Launcher) -> list[dict[str, Any]]:
    """Return what the audit record says of launches that have begun."""
    found: list[dict[str, Any]] = []
    for path in sorted(Path(launcher.environment["HOME"], _STATE, "audit").glob("*.jsonl")):
        found += map(json.loads, path.read_text(encoding="utf-8").splitlines())
    return [one for one in found if one.get("kind") == "started"]
