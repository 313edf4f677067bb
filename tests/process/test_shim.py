"""The drop-in `claude`: a launch that looks like the real one from outside."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest

from pinnace.shim import executable
from tests.support import hosts
from tests.support.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.process.conftest import Machine

_IMPORTED: Final = re.compile(rb"^import time: +\d+ \| +\d+ \| +(\S+)$", re.MULTILINE)
_SLOW: Final = frozenset(
    {
        *("click", "jinja2", "pydantic", "python_on_whales", "packaging", "filelock", "asyncio"),
        *("pinnace.launch", "pinnace.plan", "pinnace.image", "pinnace.context", "subprocess"),
        *("pinnace_core.engine", "http.client", "hashlib", "importlib.metadata"),
    }
)
_LOG: Final = ".local/state/pinnace/shim/notes.log"


class Shim:
    """A drop-in `claude` on a machine.

    Attributes:
        machine: it.
        path: of the program.
    """

    def __init__(self, machine: Machine, directory: Path, *options: str) -> None:
        self.machine = machine
        done = machine.pinnace("shim", "install", str(directory), *options)
        assert done.returncode == 0, done.stderr
        self.path = Path(done.stdout.decode().strip())

    def run(
        self,
        *arguments: str,
        stdin: bytes = b"",
        cwd: Path | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> subprocess.CompletedProcess[bytes]:
        """Run it."""
        return subprocess.run(
            [self.path, *arguments],
            check=False,
            capture_output=True,
            cwd=cwd or self.machine.project,
            env={**self.machine.environment, **(environment or {})},
            input=stdin,
            timeout=60,
        )

    @property
    def said(self) -> str:
        """What launches said."""
        path = Path(self.machine.environment["HOME"], _LOG)
        return path.read_text() if path.exists() else ""


@pytest.fixture
def shim(machine: Machine, tmp_path: Path) -> Shim:
    """A drop-in `claude` in a directory with a blank and a quote in its name."""
    return Shim(machine, tmp_path / "it's here")


@pytest.mark.parametrize("option", ["-v", "-V", "--version"])
def test_the_version_is_the_pins_and_nobody_is_asked(shim: Shim, option: str) -> None:
    done = shim.run(option)

    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout.decode() == f"{hosts.VERSION} (Claude Code)\n"
    assert shim.machine.docker.log("call") == []
    assert shim.machine.engine.requests == []


def test_the_version_is_told_where_no_project_can_be(shim: Shim) -> None:
    home = Path(shim.machine.environment["HOME"])
    (home / ".claude-version").write_text("2.1.329")

    assert shim.run("--version", cwd=home).stdout == b"2.1.329 (Claude Code)\n"


def _imported(machine: Machine, *arguments: str) -> set[str]:
    """Run the drop-in; return the modules that it imports."""
    run = "from pinnace.shim.drop_in import main; main()"
    argv = [sys.executable, "-I", "-X", "importtime", "-c", run, "no-provision", *arguments]
    done = subprocess.run(
        argv,
        check=True,
        capture_output=True,
        cwd=machine.project,
        env=machine.environment,
        timeout=60,
    )
    return {name.decode() for name in _IMPORTED.findall(done.stderr)}


def test_the_program_of_windows_does_what_the_script_does(machine: Machine, tmp_path: Path) -> None:
    """Its launcher cannot run here; what that starts can, as it would."""
    path = tmp_path / "claude.exe"
    data = executable.content("windows", sys.executable, flags="-I", provision=False)
    executable.write(path, data)

    def run(*words: str) -> subprocess.CompletedProcess[bytes]:
        return subprocess.run(
            [sys.executable, "-I", path, *words],
            check=False,
            capture_output=True,
            cwd=machine.project,
            env=machine.environment,
            timeout=60,
        )

    assert executable.is_ours(path)
    assert run("--version").stdout == f"{hosts.VERSION} (Claude Code)\n".encode()
    assert run("-p", "a b", "").returncode == 0
    (argv,) = machine.docker.calls("run")
    assert argv[argv.index("/opt/claude/bin/claude") + 1 :] == ["-p", "a b", ""]


def test_for_the_version_little_is_imported(machine: Machine) -> None:
    imported = _imported(machine, "-v")
    assert "pinnace.config.pin" in imported, "the list of imports was not understood"
    assert imported & _SLOW == set()


def test_a_launch_imports_nothing_slow(machine: Machine) -> None:
    machine.pinnace("run")
    imported = _imported(machine, "-p", "x")
    assert "pinnace.launch.handover" in imported
    assert not imported & {"click", "jinja2", "pydantic", "packaging", "asyncio", "filelock"}


@pytest.mark.parametrize(
    "arguments",
    [
        ("-p", "a b", "", "--", "--env=X", "$HOME", "'q'", '"', "ü", "\n"),
        ("--dry-run", "--isolation", "open", "--mount", "/etc:/etc:rw"),
        ("--help",),
        ("run", "--", "x"),
        ("shim", "install"),
        ("--provision", "--timing", "-h"),
        ("-v", "more"),
        ("provision",),
    ],
)
def test_no_argument_is_read(shim: Shim, arguments: tuple[str, ...]) -> None:
    done = shim.run(*arguments)

    assert done.returncode == 0, done.stderr
    (argv,) = shim.machine.docker.calls("run")
    assert argv[argv.index("/opt/claude/bin/claude") + 1 :] == list(arguments)


def test_streams_and_exit_code_are_claudes_and_notes_are_kept(shim: Shim) -> None:
    shim.machine.docker.will("run", stdout="first\n", stderr="own\n", echo=True, code=3)

    done = shim.run("-p", stdin=b"\0\xff\n" * 1000)

    assert done.returncode == 3
    assert done.stdout == b"first\n" + b"\0\xff\n" * 1000
    assert done.stderr == b"own\n"
    assert str(shim.machine.project) in shim.said
    status = shim.machine.pinnace("shim", "status", "--json")
    assert json.loads(status.stdout)["result"]["notes"] == shim.said.splitlines()[-10:]


@pytest.mark.parametrize(("code", "told"), [(137, "killed from outside"), (125, "pinnace doctor")])
def test_what_the_end_means_is_told_after_it(shim: Shim, code: int, told: str) -> None:
    shim.machine.docker.will("run", stdout="first\n", stderr="own\n", code=code)

    done = shim.run("-p")

    assert (done.returncode, done.stdout) == (code, b"first\n")
    own, *lines = done.stderr.decode().splitlines()
    assert own == "own"
    assert [told in line for line in lines] == [True]
    # What was said before the start is in the file alone.
    kept = shim.said.splitlines()
    assert told in kept[-1]
    assert len(kept) > len(lines)


def test_a_signal_reaches_claude(shim: Shim) -> None:
    docker = shim.machine.docker
    docker.will("run", wait=True, code=143)
    child = subprocess.Popen([shim.path], cwd=shim.machine.project, env=shim.machine.environment)
    wait_until(lambda: docker.log("ready"), "the client is there")
    child.send_signal(signal.SIGTERM)
    wait_until(docker.signals, "the signal has come")
    docker.finish()

    assert child.wait() == 143
    assert docker.signals() == ["SIGTERM"]


def test_a_missing_image_is_told_at_once(shim: Shim) -> None:
    shim.machine.engine.images = []

    done = shim.run("-p", "x")

    assert (done.returncode, done.stdout) == (66, b"")
    assert f"pinnace-build build {hosts.VERSION}".encode() in done.stderr
    assert shim.machine.docker.calls("run") == []


def test_with_provision_it_is_got(machine: Machine, tmp_path: Path) -> None:
    machine.engine.images = []
    shim = Shim(machine, tmp_path / "bin", "--provision")

    done = shim.run("-p", "x", environment={"PINNACE_CLAUDE_VERSION": "9.9.9"})

    # The registry was asked, which has none.
    assert done.returncode != 66, done.stderr


def _package(place: Path, version: str, *, name: str = "@anthropic-ai/claude-code") -> Path:
    place.mkdir(parents=True)
    (place / "package.json").write_text(json.dumps({"name": name, "version": version}))
    return place


@pytest.mark.parametrize(
    "words",
    [
        ("claude",),
        ("resources/native-binary/claude",),
        ("claude.exe",),
        ("node", "cli.js"),
        ("node", "--max-old-space-size=8192", "cli.js"),
    ],
)
def test_a_clients_own_binary_comes_first_and_is_left_out(
    shim: Shim, tmp_path: Path, words: tuple[str, ...]
) -> None:
    theirs = _package(tmp_path / "theirs", "2.1.999")
    given = []
    for word in words:
        if not word.startswith("-"):
            (theirs / word).parent.mkdir(parents=True, exist_ok=True)
            (theirs / word).touch()
        given.append(word if word.startswith("-") else str(theirs / word))

    assert shim.run(*given, "--version").stdout == f"{hosts.VERSION} (Claude Code)\n".encode()
    shim.machine.docker.will("run", code=2)
    done = shim.run(*given, "-p", "x")

    (argv,) = shim.machine.docker.calls("run")
    assert argv[argv.index("/opt/claude/bin/claude") + 1 :] == ["-p", "x"]
    # What failed, may have failed for that.
    assert b"2.1.999" in done.stderr
    assert b"pinnace pin 2.1.999" in done.stderr
    assert "2.1.999" in shim.said


@pytest.mark.parametrize("first", ["/help", "/nowhere/claude", "node", "/etc/passwd"])
def test_a_prompt_is_not_taken_for_a_binary(shim: Shim, first: str) -> None:
    shim.run(first, "x")

    (argv,) = shim.machine.docker.calls("run")
    assert argv[argv.index("/opt/claude/bin/claude") + 1 :] == [first, "x"]


def test_what_a_launch_starts_cannot_start_it_again(shim: Shim) -> None:
    environment = {
        "PATH": f"{shim.path.parent}{os.pathsep}{shim.machine.environment['PATH']}",
        "PINNACE_KEY_HELPER": "claude -p key",
    }
    done = shim.run("-p", "x", environment={**environment, "PINNACE_ISOLATION": "standard"})

    assert done.returncode == 69, done.stderr
    assert b"go on for ever" in done.stderr
    assert b"Traceback" not in done.stderr


def test_modules_of_the_project_are_not_imported(shim: Shim) -> None:
    project = shim.machine.project
    for name in ("pinnace", "pinnace_core", "json", "sitecustomize", "usercustomize", "os"):
        (project / f"{name}.py").write_text("print('OWNED', flush=True)\n")
    environment = {"PYTHONPATH": str(project), "PYTHONSTARTUP": str(project / "os.py")}

    done = shim.run("--version", environment=environment)

    assert done.stdout == f"{hosts.VERSION} (Claude Code)\n".encode()
    assert b"OWNED" not in shim.run("-p", "x", environment=environment).stdout


def test_a_docker_of_the_project_is_not_run(shim: Shim) -> None:
    project = shim.machine.project
    for name in ("docker", "claude", "python3"):
        (project / name).write_text("#!/bin/sh\necho OWNED\n")
        (project / name).chmod(0o755)
    path = os.pathsep.join((str(project), "", ".", shim.machine.environment["PATH"]))

    assert b"OWNED" not in shim.run("-p", "x", environment={"PATH": path}).stdout
    assert len(shim.machine.docker.calls("run")) == 1


def test_an_installation_that_has_gone_says_so(shim: Shim, tmp_path: Path) -> None:
    text = shim.path.read_text().replace(sys.executable, str(tmp_path / "gone"))
    shim.path.write_text(text)

    done = shim.run("-p", "x")

    assert done.returncode == 69
    assert b"pinnace shim install --force" in done.stderr


def _foreign(directory: Path) -> Path:
    directory.mkdir(parents=True, exist_ok=True)
    path = directory / "claude"
    path.write_text("#!/bin/sh\necho real\n")
    path.chmod(0o755)
    return path


def test_another_claude_is_not_hidden_without_force(machine: Machine, tmp_path: Path) -> None:
    real, first = _foreign(tmp_path / "real"), tmp_path / "first"
    first.mkdir()
    places = (str(first), str(real.parent), machine.environment["PATH"])
    machine.environment["PATH"] = os.pathsep.join(places)

    refused = machine.pinnace("shim", "install", str(first))
    assert refused.returncode == 73
    assert str(real) in refused.stderr.decode()
    assert not (first / "claude").exists()

    assert machine.pinnace("shim", "install", "--force", str(first)).returncode == 0
    found = json.loads(machine.pinnace("shim", "status", "--json").stdout)["result"]
    assert found["shims"][0]["first"]
    assert found["others"] == [str(real)]


def test_behind_another_claude_it_is_made_and_that_is_said(
    machine: Machine, tmp_path: Path
) -> None:
    real, last = _foreign(tmp_path / "real"), tmp_path / "last"
    last.mkdir()
    machine.environment["PATH"] = os.pathsep.join(
        (str(real.parent), str(last), machine.environment["PATH"])
    )

    done = machine.pinnace("shim", "install", str(last))

    assert done.returncode == 0
    assert str(real) in done.stderr.decode()


def test_what_was_in_its_place_is_put_back(machine: Machine, tmp_path: Path) -> None:
    target = _foreign(tmp_path / "versions")
    place = tmp_path / "bin"
    place.mkdir()
    (place / "claude").symlink_to(target)

    assert machine.pinnace("shim", "install", str(place)).returncode == 73
    assert machine.pinnace("shim", "install", "--force", str(place)).returncode == 0
    assert executable.is_ours(place / "claude")
    assert executable.is_ours(target) is False
    # Once more: what was put aside stays that.
    assert machine.pinnace("shim", "install", "--force", str(place)).returncode == 0
    done = machine.pinnace("shim", "uninstall")

    assert done.stdout.decode() == f"removed {place / 'claude'}\n"
    assert (place / "claude").readlink() == target
    assert [path.name for path in place.iterdir()] == ["claude"]


def test_only_what_is_ours_is_removed(machine: Machine, tmp_path: Path) -> None:
    shim = Shim(machine, tmp_path / "bin")
    shutil.copyfile(_foreign(tmp_path / "real"), shim.path)

    done = machine.pinnace("shim", "uninstall")

    assert done.returncode == 66
    assert shim.path.exists()
    assert machine.pinnace("shim", "uninstall", str(tmp_path / "nowhere")).returncode == 66


def test_without_a_directory_it_is_made_where_nothing_is_hidden(machine: Machine) -> None:
    done = machine.pinnace("shim", "install")

    path = Path(done.stdout.decode().strip())
    assert path == Path(machine.environment["HOME"], ".local/share/pinnace/bin/claude")
    assert machine.pinnace("shim", "uninstall", "--json").returncode == 0
    assert not path.exists()


def test_it_is_not_made_where_a_project_could_replace_it(machine: Machine) -> None:
    done = machine.pinnace("shim", "install", str(machine.project / "bin"))

    assert done.returncode == 77
    assert not (machine.project / "bin").exists()


def test_the_file_of_notes_does_not_grow_for_ever(shim: Shim) -> None:
    path = Path(shim.machine.environment["HOME"], _LOG)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("x" * (1 << 18))
    path.chmod(0o600)

    shim.run("-p", "x")

    assert path.stat().st_size < 1 << 16
    assert path.with_suffix(".log.1").stat().st_size > 1 << 18


def test_a_file_of_notes_that_cannot_be_written_keeps_nothing_from_running(shim: Shim) -> None:
    path = Path(shim.machine.environment["HOME"], _LOG)
    path.mkdir(parents=True)

    assert shim.run("-p", "x").returncode == 0
