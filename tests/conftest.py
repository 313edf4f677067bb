"""What all tests share: no test sees the user's own settings, a unit test touches no machine."""

from __future__ import annotations

import _socket
import difflib
import json
import os
import re
import shlex
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NoReturn

import hypothesis
import pytest

from tests.support import levels
from tests.support.soak import rounds

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_DATA: Final = Path(__file__).parent / "golden" / "data"
_PURE: Final = ("unit", "golden")
_SCRUBBED: Final = re.compile(
    r"(ANTHROPIC_|CLAUDE|PINNACE_).*|IS_SANDBOX|DOCKER_HOST|DOCKER_CONTEXT"
)
# Where it is set, some things are refused: tests say themselves when that is meant.
os.environ.pop("CI", None)
_USER_DIRECTORIES: Final = {
    "XDG_CACHE_HOME": ".cache",
    "XDG_CONFIG_HOME": ".config",
    "XDG_DATA_HOME": ".local/share",
    "XDG_STATE_HOME": ".local/state",
}
_NPM: Final = """
import json, os, signal, sys, time
from pathlib import Path

here, cwd = Path(__file__).parent, Path.cwd()
will = json.loads((here / "will.json").read_text())
will |= will["of"].get(" ".join(sys.argv[1:3]), {})
# npm reads the .npmrc of the nearest directory that looks like a project.
marks = ("package.json", "node_modules")
project = (p for p in (cwd, *cwd.parents) if any((p / mark).exists() for mark in marks))
call = {"argv": sys.argv[1:], "pid": os.getpid(), "project": str(next(project, cwd))}
for argument in sys.argv:
    name, _, value = argument.partition("=")
    if name == "--pack-destination" and will["tarball"]:
        (Path(value) / "x.tgz").write_bytes(bytes.fromhex(will["tarball"]))
with (here / "calls").open("a") as calls:
    print(json.dumps(call), file=calls)
time.sleep(will["seconds"])
if will["hangs"]:
    signal.alarm(60)
    signal.pause()
sys.stdout.buffer.write(will["stdout"].encode(errors="surrogateescape"))
sys.stderr.write(will["stderr"])
sys.exit(will["code"])
"""


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--update-golden", action="store_true", help="rewrite tests/golden/data; review the diff"
    )


def pytest_configure(config: pytest.Config) -> None:
    """Count rounds, measure times, and undo what `nohup` and shells' background jobs do."""
    if not hasattr(config, "workerinput"):
        config.pluginmanager.register(levels.Stopwatch())
    # Twenty times as many in a soak, else as many as usual.
    hypothesis.settings.register_profile("rounds", max_examples=rounds(2_000))
    hypothesis.settings.load_profile("rounds")
    # The tests interrupt what they start.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for name in ("SIGHUP", "SIGQUIT"):
        if name in signal.Signals.__members__:
            signal.signal(signal.Signals[name], signal.SIG_DFL)


def pytest_xdist_auto_num_workers() -> int:
    """Return one more than there are processors: the tests of the engine also wait for it."""
    return (os.cpu_count() or 1) + 1


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    levels.arrange(config, items)


@pytest.fixture(autouse=True)
def _no_machine(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Forbid sockets and processes to the tests of pure code."""
    if levels.level_of(request.path) not in _PURE:
        return

    def refuse(*_: Any, **__: Any) -> NoReturn:
        raise AssertionError("a pure test opened a socket or started a process")

    # Not the classes: a module imported during a test may derive from them.
    monkeypatch.setattr(socket.socket, "__init__", refuse)
    monkeypatch.setattr(_socket, "socket", refuse)
    monkeypatch.setattr(subprocess.Popen, "__init__", refuse)


@pytest.fixture(autouse=True)
def _no_child(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """End what a test has started and not ended, most often because it failed before."""
    if levels.level_of(request.path) in _PURE:
        yield
        return
    children: list[subprocess.Popen[Any]] = []
    start, leave = subprocess.Popen.__init__, subprocess.Popen.__exit__

    def note(child: subprocess.Popen[Any], *arguments: Any, **options: Any) -> None:
        start(child, *arguments, **options)
        children.append(child)

    def end(child: subprocess.Popen[Any], kind: type[BaseException] | None, *rest: Any) -> None:
        # Nobody tells it any more to end; to wait would be for ever.
        if kind is not None:
            child.kill()
        leave(child, kind, *rest)

    monkeypatch.setattr(subprocess.Popen, "__init__", note)
    monkeypatch.setattr(subprocess.Popen, "__exit__", end)
    yield
    for child in children:
        if child.poll() is None:
            child.kill()
            child.wait()


@pytest.fixture(autouse=True)
def _no_user(
    request: pytest.FixtureRequest,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    """Hide the user's settings and directories; `tmp_path` itself stays empty."""
    for name in list(os.environ):
        if _SCRUBBED.fullmatch(name):
            monkeypatch.delenv(name)
    real, home = Path.home(), tmp_path_factory.mktemp("home")
    directories = {name: str(home / below) for name, below in _USER_DIRECTORIES.items()}
    if levels.level_of(request.path) in levels.ON_ENGINE:
        # Packages of 170 MB are fetched once, by the registry that the user's npm knows.
        cache = os.environ.get("XDG_CACHE_HOME") or str(real / ".cache")
        npmrc = os.environ.get("NPM_CONFIG_USERCONFIG") or str(real / ".npmrc")
        directories |= {"XDG_CACHE_HOME": cache, "NPM_CONFIG_USERCONFIG": npmrc}
    for name, value in {"HOME": str(home), **directories}.items():
        monkeypatch.setenv(name, value)


@pytest.fixture
def golden(request: pytest.FixtureRequest) -> Callable[[str, str], None]:
    """Compare a text with the file of that name in tests/golden/data."""

    def compare(name: str, text: str) -> None:
        path = _DATA / name
        if request.config.getoption("--update-golden"):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8", newline="")
            return
        expected = path.read_bytes().decode() if path.exists() else ""
        if text != expected:
            lines = expected.splitlines(), text.splitlines()
            diff = difflib.unified_diff(*lines, name, "now", n=1, lineterm="")
            pytest.fail("\n".join([f"{name}: if this is meant: --update-golden", *diff]))

    return compare


class FakeNpm:
    """An npm that does what it is told, and remembers its calls."""

    def __init__(self, directory: Path) -> None:
        self.bin = directory / "bin"
        self.bin.mkdir(parents=True)
        (self.bin / "npm.py").write_text(_NPM)
        command = shlex.join([sys.executable, "-I", str(self.bin / "npm.py")])
        (self.bin / "npm").write_text(f'#!/bin/sh\nexec {command} "$@"\n')
        (self.bin / "npm").chmod(0o755)

    def will(self, answer: object = "", **how: Any) -> None:
        """Set the next answers: JSON, or text as it is."""
        stdout = answer if isinstance(answer, str) else json.dumps(answer)
        usual = {"stdout": stdout, "stderr": "", "code": 0, "seconds": 0, "hangs": False, "of": {}}
        tarball = how.pop("tarball", b"").hex()
        (self.bin / "will.json").write_text(json.dumps({**usual, "tarball": tarball, **how}))

    def will_of(self, call: str, answer: object, *, tarball: bytes = b"", code: int = 0) -> None:
        """Answer one call (`view NAME@VERSION`) otherwise than the rest."""
        known = json.loads((self.bin / "will.json").read_text())
        own = {"stdout": json.dumps(answer), "tarball": tarball.hex(), "code": code}
        known["of"][call] = own
        (self.bin / "will.json").write_text(json.dumps(known))

    def fails(self, code: str, summary: str = "") -> None:
        """Fail as npm does when it is asked for JSON."""
        self.will({"error": {"code": code, "summary": summary, "detail": ""}}, code=1)

    @property
    def calls(self) -> list[dict[str, Any]]:
        """What was asked so far."""
        log = self.bin / "calls"
        return [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []


@pytest.fixture
def fake_npm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeNpm:
    """The only program on PATH."""
    made = FakeNpm(tmp_path / "fake npm")
    monkeypatch.setenv("PATH", str(made.bin))
    return made
