"""Kill -9 at moments of chance: nothing that was promised is lost, and the next launch works.

What is killed is the launcher, the gateway (its container, its keeper, or both) or the engine, in
the midst of launches, layers, clones, migrations and verbs. `SOAK_SEED=N` takes the same moments
again.
"""

from __future__ import annotations

import json
import os
import random
import secrets
import signal
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import cycle
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

import pytest

from pinnace import layers
from pinnace.audit import launches, verify
from pinnace.config import files
from pinnace.gateway import rules
from pinnace.workspace.store import Store
from pinnace_images import contract
from tests.engine.conftest import end_keepers
from tests.support import killed_at
from tests.support.messages_api import ToolUse
from tests.support.soak import rounds
from tests.support.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pinnace.config.files import Approval
    from tests.engine.conftest import Launcher
    from tests.support.messages_api import MessagesApi
    from tests.support.own_engine import OwnEngine

pytestmark = [pytest.mark.xdist_group("soak"), pytest.mark.soak, pytest.mark.timeout(4 * 3600)]
_MOMENTS: Final = 100
_PATIENCE_SECONDS: Final = 180
_LONG_AGO: Final = 30 * 86_400
_FIRST_STEPS: Final = 60
_FIRST_SECONDS: Final = 2.0
_GATEWAY: Final = contract.LABEL_RUN_GATEWAY
_OWN_SETTINGS: Final = ".local/share/pinnace/projects/project-*/default/settings.json"
# Not at the top, where it would be read-only inside.
_REVIEWED: Final = "below/.envrc"
_STRAYS: Final = ("*.tmp", "*.part", "*.aside-*", ".new-*", "probe-*", "*.files")
# What Pinnace's failures may end with, once the engine is gone; else a signal, or what Claude says.
_DOCUMENTED: Final = frozenset({0, 1, 66, 69, 73, 75, 77, 125, 137})


@dataclass
class World:
    """A user, his projects, and what he was promised.

    Attributes:
        launcher: `pinnace`, on an engine of its own.
        engine: that.
        chance: of all moments.
        approvals: of contents.
        accepted: digests of contents that were accepted, by path.
        decided: hosts, and whether they are let through.
        transcripts: of launches that have ended.
        layers: names of all that ever were.
        dropped: names of layers that somebody began to drop.
        finished: launches that ran to their end.
        steps: how many there are at most in a work, by its name.
        seconds: that one took.
        log: what was killed when.
    """

    launcher: Launcher
    engine: OwnEngine
    chance: random.Random
    approvals: set[Approval] = field(default_factory=set)
    accepted: dict[str, str] = field(default_factory=dict)
    decided: dict[str, bool] = field(default_factory=dict)
    transcripts: dict[Path, bytes] = field(default_factory=dict)
    layers: set[str] = field(default_factory=set)
    dropped: set[str] = field(default_factory=set)
    finished: int = 0
    steps: dict[str, int] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)
    log: list[str] = field(default_factory=list)

    @property
    def home(self) -> Path:
        return Path(self.launcher.environment["HOME"])

    @property
    def project(self) -> Path:
        return self.launcher.project

    def run(self, *arguments: str, text: str = "") -> subprocess.CompletedProcess[str]:
        """Run a command to its end."""
        done = self.launcher.run(*arguments, text=text)
        self.finished += "-p" in arguments
        return done

    def succeed(self, *arguments: str) -> str:
        done = self.run(*arguments)
        assert done.returncode == 0, (arguments, done.stdout, done.stderr)
        return done.stdout

    def start(self, arguments: list[str], *, step: int) -> subprocess.Popen[str]:
        """Start a command that dies before a step of its own, if it has so many."""
        argv = [sys.executable, killed_at.__file__, str(step), *arguments]
        child = subprocess.Popen(
            argv,
            cwd=self.project,
            env=self.launcher.environment,
            text=True,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        self.launcher.children.append(child)
        return child


class Work(NamedTuple):
    """What goes on when something is killed.

    Attributes:
        arguments: of `pinnace`.
        settled: sees what came of it, whole or not at all, and promises what it finds.
    """

    arguments: list[str]
    settled: Callable[[], None] = lambda: None


def _launch(_: World) -> Work:
    return Work(["run", "-p", "hi"])


def _layer(world: World) -> Work:
    return _in_a_layer(world, "review")


def _clone(world: World) -> Work:
    return _in_a_layer(world, "clone")


def _in_a_layer(world: World, kind: str) -> Work:
    before = {one.name for one in layers.all_of()}

    def settled() -> None:
        for one in layers.all_of():
            if one.name not in before:
                # It is there at all: with what it needs to be looked at, and gone on with.
                assert one.root.is_dir()
                world.succeed("review", "diff", "--layer", one.name)

    return Work(["run", f"--{kind}", "--allowedTools", "Bash", "--", "-p", "work"], settled)


def _apply(world: World) -> Work:
    layer = _made_layer(world)
    before = {name: (world.project / name).read_bytes() for name in ("a", "b")}
    after = {name: (layer.root / name).read_bytes() for name in before}

    def settled() -> None:
        for name, old in before.items():
            assert (world.project / name).read_bytes() in {old, after[name]}, name
        # With nothing left in it, it goes.
        if layers.load(layer.name) is not None:
            world.succeed("review", "apply", "--layer", layer.name)
        world.dropped.add(layer.name)
        assert {n: (world.project / n).read_bytes() for n in before} == after

    return Work(["review", "apply", "--layer", layer.name], settled)


def _made_layer(world: World) -> layers.Layer:
    """Let a launch write two files in a layer."""
    before = {one.name for one in layers.all_of()}
    done = world.run("run", "--review", "--allowedTools", "Bash", "--", "-p", "work")
    assert done.returncode == 0, done.stderr
    (made,) = (one for one in layers.all_of() if one.name not in before)
    return made


def _drop(world: World) -> Work:
    layer = _made_layer(world)
    world.dropped.add(layer.name)
    return Work(["review", "drop", "--layer", layer.name])


def _trust(world: World) -> Work:
    file = world.project / "pinnace.toml"
    content = f'[run]\nenvironment = ["N_{secrets.token_hex(4)}"]\n'.encode()
    file.write_bytes(content)

    def settled() -> None:
        known = {one for one in files.approvals() if one.path == str(file)}
        before = {one for one in world.approvals if one.path == str(file)}
        if not files.is_approved(str(file), content):
            assert known == before, "neither the one nor the other"
            world.succeed("trust", "--yes")
        world.approvals -= before
        world.approvals |= {one for one in files.approvals() if one.path == str(file)}

    return Work(["trust", "--yes"], settled)


def _accept(world: World) -> Work:
    file = world.project / _REVIEWED
    text = _changed_inside(world)

    def settled() -> None:
        world.succeed("review", "accept")
        world.accepted[str(file)] = Store(str(world.project)).accepted()[str(file)][-1]
        assert file.read_text() == text

    return Work(["review", "accept"], settled)


def _revert(world: World) -> Work:
    file = world.project / _REVIEWED
    before = file.read_text()
    text = _changed_inside(world)

    def settled() -> None:
        assert file.read_text() in {before, text}
        world.succeed("review", "revert")
        assert file.read_text() == before

    return Work(["review", "revert"], settled)


def _changed_inside(world: World) -> str:
    """Let a launch change what this machine would run; return what it is then."""
    text = f"export N={secrets.token_hex(4)}\n"
    done = world.run("shell", text=f"echo '{text.strip()}' > {_REVIEWED}")
    assert (done.returncode, "review" in done.stderr) == (0, True), done.stderr
    return text


def _allow(world: World) -> Work:
    return _decide(world, "allow")


def _deny(world: World) -> Work:
    return _decide(world, "deny")


def _decide(world: World, verdict: str) -> Work:
    name = f"h{world.chance.randrange(4)}.example"

    def settled() -> None:
        # One or the other: what was there before is not lost.
        found = {one.rule.host: one.rule.until == 0 for one in rules.load()}
        assert found.get(name) in {world.decided.get(name), verdict == "allow"}
        world.decided[name] = found.get(name, False)
        if name not in found:
            del world.decided[name]

    return Work(["network", verdict, name], settled)


def _profile(world: World) -> Work:
    """What the user wants in all projects changes; what was chosen in this one stays."""
    profile = world.home / ".config/pinnace/profiles/default"
    profile.mkdir(parents=True, exist_ok=True)
    number = secrets.token_hex(4)
    (profile / "settings.json").write_text(json.dumps({"language": number}))

    def settled() -> None:
        world.succeed("run", "-p", "hi")
        (own,) = world.home.glob(_OWN_SETTINGS)
        found = json.loads(own.read_text())
        assert (found["language"], found["theme"]) == (number, "light-ansi")

    return Work(["run", "-p", "hi"], settled)


def _migrate(world: World) -> Work:
    """A profile that 0.1 had, with sessions of this project."""
    name = f"m{secrets.token_hex(4)}"
    place = world.home / f".local/share/pinnace/claude/{name}"
    sessions = place / "projects" / "-project"
    sessions.mkdir(parents=True)
    (place / ".claude.json").write_text(json.dumps({"projects": {str(world.project): {}}}))
    for number in range(20):
        session = sessions / f"00000000-0000-4000-8000-{number:012}.jsonl"
        session.write_text(json.dumps({"cwd": str(world.project), "n": number}) + "\n")
    before = {path.name: path.read_bytes() for path in sessions.iterdir()}

    def settled() -> None:
        world.succeed("run", "--profile", name, "-p", "hi")
        sessions_of = f".local/share/pinnace/projects/project-*/{name}/projects/*/*.jsonl"
        copies = world.home.glob(sessions_of)
        found = {path.name: path.read_bytes() for path in copies}
        assert before.items() <= found.items()
        assert {path.name: path.read_bytes() for path in sessions.iterdir()} == before

    return Work(["run", "--profile", name, "-p", "hi"], settled)


def _audit(_: World) -> Work:
    return Work(["audit", "verify"])


def _gc(_: World) -> Work:
    return Work(["gc", "--yes"])


_LAUNCHES: Final = (_launch, _layer, _clone, _profile, _migrate)
_VERBS: Final = (_trust, _accept, _revert, _apply, _drop, _allow, _deny, _audit, _gc)


@pytest.fixture
def world(
    isolated: Launcher, api: MessagesApi, engine: OwnEngine, monkeypatch: pytest.MonkeyPatch
) -> Iterator[World]:
    """A project with a session, a layer, a clone, an approval and decisions."""
    seed = int(os.environ.get("SOAK_SEED") or secrets.randbelow(1 << 32))
    print(f"SOAK_SEED={seed}")  # noqa: T201 (shown if it fails)
    place = isolated.place
    (place / "temporary").mkdir()
    isolated.environment |= {
        "DOCKER_HOST": engine.endpoint,
        # What is removed by its age is not the developer's.
        "XDG_CACHE_HOME": str(place / "cache"),
        "TMPDIR": str(place / "temporary"),
    }
    for name in ("HOME", "DOCKER_HOST"):
        monkeypatch.setenv(name, isolated.environment[name])
    for name in ("CONFIG", "DATA", "STATE"):
        monkeypatch.delenv(f"XDG_{name}_HOME", raising=False)
    made = World(isolated, engine, random.Random(seed))  # noqa: S311 (moments)
    (made.project / _REVIEWED).parent.mkdir()
    for name in ("a", "b", _REVIEWED):
        (made.project / name).write_text("first\n")
    change = "for f in a b; do date +%N >> $f; done"
    # Each conversation begins with it.
    api.reply_with(ToolUse("Bash", {"command": f"cd {made.project} && {change}"}))
    made.succeed("run", "-p", "hi")
    (own,) = made.home.glob(str(Path(_OWN_SETTINGS).parent))
    (own / "settings.json").write_text(json.dumps({"theme": "light-ansi"}))
    (made.project / ".claude").mkdir()
    (made.project / ".claude" / "settings.json").write_text(json.dumps({"env": {"A": "1"}}))
    made.succeed("trust", "--yes")
    made.approvals = set(files.approvals())
    made.succeed("network", "allow", "h0.example", "h9.example")
    made.decided = {"h0.example": True, "h9.example": True}
    yield made
    end_keepers(made.launcher.place)


def _by_step(world: World, name: str, work: Work) -> None:
    """Kill the launcher before a step of its own."""
    step = world.chance.randint(1, world.steps.get(name, _FIRST_STEPS))
    child = world.start(work.arguments, step=step)
    said = child.communicate(timeout=_PATIENCE_SECONDS)[0]
    world.log.append(f"{name}: step {step}, {child.returncode}")
    assert child.returncode in {-signal.SIGKILL, 0}, said
    if child.returncode == 0:
        # It had fewer.
        world.steps[name] = step


def _by_time(world: World, name: str, work: Work, strike: Callable[[World], None]) -> None:
    child = world.start(work.arguments, step=-1)
    seconds = world.chance.uniform(0, world.seconds.get(name, _FIRST_SECONDS))
    world.log.append(f"{name}: {seconds:.3f} s, {strike.__name__}")
    begun = time.monotonic()
    with suppress(subprocess.TimeoutExpired):
        child.wait(seconds)
    strike(world)
    if strike is _kill_launchers:
        child.kill()
    said = child.communicate(timeout=_PATIENCE_SECONDS)[0]
    world.seconds.setdefault(name, time.monotonic() - begun)
    assert "Traceback" not in said, said
    assert child.returncode in {*_DOCUMENTED, -signal.SIGKILL}, said


def _kill_launchers(_: World) -> None:
    """That is for who started it."""


def _kill_gateways(world: World) -> None:
    for one in world.engine.docker("ps", "-q", f"--filter=label={_GATEWAY}").split():
        with suppress(subprocess.CalledProcessError):
            world.engine.docker("kill", one)


def _kill_keepers(world: World) -> None:
    end_keepers(world.launcher.place, at_once=True)


def _kill_both(world: World) -> None:
    _kill_keepers(world)
    _kill_gateways(world)


def _kill_engine(world: World) -> None:
    with world.engine.ended(killed=True):
        pass


def launcher(world: World, name: str, work: Work) -> None:
    if world.chance.random() < 1 / 2:
        _by_step(world, name, work)
    else:
        _by_time(world, name, work, _kill_launchers)


def gateway(world: World, name: str, work: Work) -> None:
    strike = world.chance.choice([_kill_gateways, _kill_keepers, _kill_both])
    _by_time(world, name, work, strike)


def the_engine(world: World, name: str, work: Work) -> None:
    _by_time(world, name, work, _kill_engine)


@pytest.mark.parametrize("kill", [launcher, gateway, the_engine])
def test_whatever_is_killed_nothing_is_lost(
    world: World, kill: Callable[[World, str, Work], None]
) -> None:
    works = list(_LAUNCHES if kill is gateway else (*_LAUNCHES, *_VERBS))
    world.chance.shuffle(works)
    try:
        for _, make in zip(range(rounds(_MOMENTS)), cycle(works), strict=False):
            work = make(world)
            kill(world, make.__name__, work)
            assert world.run("run", "-p", "hi").returncode == 0, "the next launch"
            work.settled()
            _require_sound(world)
        _require_nothing_left(world)
    finally:
        print(*world.log, sep="\n")  # noqa: T201 (likewise)


def _require_sound(world: World) -> None:
    """See that all is there that was promised, and whole."""
    # What a killed launcher's client still runs writes to its transcript.
    listed = ("ps", "-q", f"--filter=label={contract.LABEL_RUN_WORKSPACE}")
    wait_until(lambda: not world.engine.docker(*listed), "the end of what was launched")
    found = verify.verify()
    assert not [one for one in found.findings if one.is_grave], found.findings
    ended = [one for one in launches.launches() if (one.ended or {}).get("exit") == 0]
    assert len(ended) >= world.finished
    assert world.approvals <= set(files.approvals())
    assert {one.rule.host: one.rule.until == 0 for one in rules.load()} == world.decided
    accepted = Store(str(world.project)).accepted()
    assert all(digest in accepted[path] for path, digest in world.accepted.items())
    _require_sessions(world)
    _require_layers(world)


def _require_sessions(world: World) -> None:
    for path, data in world.transcripts.items():
        assert path.read_bytes() == data
    for path in world.home.glob(".local/share/pinnace/projects/*/*/projects/*/*.jsonl"):
        data = world.transcripts[path] = path.read_bytes()
        assert data.endswith(b"\n"), path
        assert all(json.loads(line) for line in data.splitlines()), path


def _require_layers(world: World) -> None:
    begun = {p.name for p in layers.directory().glob("*") if layers.is_begun(p.name)}
    there = {one.name for one in layers.all_of()}
    assert begun == there, "a record is broken"
    assert world.layers - world.dropped <= there
    world.layers |= there


def _require_nothing_left(world: World) -> None:
    """See that what is left is found, once it is old, and removed."""
    world.succeed("review", "drop", "--all")
    end_keepers(world.launcher.place)
    for path in (world.launcher.place, *world.launcher.place.rglob("*")):
        with suppress(FileNotFoundError):
            moment = path.lstat().st_mtime - _LONG_AGO
            os.utime(path, (moment, moment), follow_symlinks=False)
    world.succeed("gc", "--yes")
    found = json.loads(world.succeed("gc", "--json"))["result"]["gone"]
    # Each command is given this machine's records of builds anew: those are not the test's.
    again = [one for one in found if not str(one["what"]).startswith("built/")]
    state = world.home / ".local/state/pinnace"
    strays = [path for name in _STRAYS for path in world.launcher.place.rglob(name)]

    assert again == []
    assert strays == []
    assert list((state / "runs").iterdir()) == []
    assert list((state / "layers").glob("[!.]*")) == []
    assert list((world.launcher.place / "temporary").iterdir()) == []
    assert world.engine.docker("ps", "-aq") == ""
    assert world.engine.docker("volume", "ls", "-q") == ""
    assert "pinnace" not in world.engine.docker("network", "ls", "--format={{.Name}}")
