"""Settings of whole launches; `pinnace config`, `trust`, `pin`, `unpin`, and a project's lock."""

from __future__ import annotations

import dataclasses
import json
import re
import sys
from typing import TYPE_CHECKING, Any, Final

import pexpect
import pytest

from pinnace_images import lock
from pinnace_images.lock import Lock
from pinnace_images.versions import CliVersion
from tests.support import hosts

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import FakeNpm
    from tests.process.conftest import Machine

_IMPORTED: Final = re.compile(rb"^import time: +\d+ \| +\d+ \| +(\S+)$", re.MULTILINE)
_ASKS: Final = '[run]\nmemory = "1g"\nenvironment = ["MY_THING"]\n'
_KNOWN: Final = max(lock.load(lock.SHIPPED_LOCK).entries)


def _say(machine: Machine, *arguments: str, code: int = 0, **environment: str) -> str:
    done = machine.pinnace(*arguments, environment=environment)
    assert done.returncode == code, done.stderr.decode()
    assert b"Traceback" not in done.stderr
    return (done.stdout + done.stderr).decode()


def _json(machine: Machine, *arguments: str, **environment: str) -> Any:
    done = machine.pinnace(*arguments, environment=environment)
    document = json.loads(done.stdout)
    assert document["ok"] is (done.returncode == 0)
    return document["result"] if document["ok"] else document["error"]


def _imports(machine: Machine, *arguments: str) -> set[str]:
    """What a launch imports until the container is started; then the project is looked at."""
    done = machine.pinnace("run", *arguments, options=("-X", "importtime"))
    assert done.returncode == 0
    names = [name.decode() for name in _IMPORTED.findall(done.stderr)]
    return set(names[: names.index("pinnace.workspace.named")])


def test_a_launch_follows_the_files(machine: Machine) -> None:
    (machine.project / "pinnace.toml").write_text('[run]\nmemory = "3g"\npids = 77\n')

    machine.pinnace("run", "--pids-limit", "78")

    (argv,) = machine.docker.calls("run")
    assert "--memory=3g" in argv
    assert "--pids-limit=78" in argv


def test_what_is_pending_does_not_count_and_every_launch_says_so(machine: Machine) -> None:
    path = machine.project / "pinnace.toml"
    path.write_text(_ASKS)

    for _ in range(2):
        said = _say(machine, "run", "--", "-p", MY_THING="x")
        (line,) = [line for line in said.splitlines() if "not approved" in line]
        assert "run.environment" in line
        assert str(path) in line
        assert "pinnace trust" in line
    assert not any("MY_THING" in word for argv in machine.docker.calls("run") for word in argv)
    assert all("--memory=1g" in argv for argv in machine.docker.calls("run"))

    assert "approved" in _say(machine, "trust", "--yes")
    said = _say(machine, "run", MY_THING="x")

    assert "approved" not in said
    assert any("MY_THING" in word for word in machine.docker.calls("run")[-1])


def test_status_and_config_show_what_is_pending(machine: Machine) -> None:
    path = machine.project / "pinnace.toml"
    path.write_text(_ASKS)

    assert _json(machine, "status", "--json")["pending"] == [
        {"path": str(path), "keys": ["run.environment"]}
    ]
    assert f"pending    run.environment ({path})" in _say(machine, "status")
    config = _json(machine, "config", "--json")
    assert config["pending"] == [{"path": str(path), "values": {"run.environment": ["MY_THING"]}}]
    assert config["values"]["run.environment"] == {"value": [], "source": "default"}
    assert config["values"]["run.memory"] == {"value": "1g", "source": str(path)}
    assert config["values"]["claude.version"] == {
        "value": hosts.VERSION,
        "source": str(machine.project / ".claude-version"),
    }
    lines = [line.split() for line in _say(machine, "config").splitlines()]
    assert ["run.user", "-", "default"] in lines
    assert ["run.memory", "1g", *str(path).split()] in lines
    assert ["run.environment", "MY_THING", "pending:", *str(path).split()] in lines


def test_a_misspelt_variable_is_named(machine: Machine) -> None:
    machine.environment |= {"PINNACE_MEMROY": "4g", "PINNACE_DEBUG": ""}

    assert _json(machine, "config", "--json")["unknown"] == ["PINNACE_MEMROY"]
    last = _say(machine, "config").splitlines()[-1]
    assert last.startswith("unknown: no setting has the variable PINNACE_MEMROY")
    assert last.endswith("perhaps you meant 'PINNACE_MEMORY'")
    del machine.environment["PINNACE_MEMROY"]
    assert _json(machine, "config", "--json")["unknown"] == []


def test_status_and_launch_agree_on_the_variant(machine: Machine) -> None:
    (machine.project / "pinnace.toml").write_text('[claude]\nvariant = "dev"\n')
    assert _json(machine, "status", "--json")["image"] is not None, "it is not approved"
    _say(machine, "trust", "--yes")

    assert _json(machine, "status", "--json")["image"] is None
    assert "(dev" in _say(machine, "run", "--no-provision", code=66)


def test_trust_shows_first_and_needs_somebody_to_ask(machine: Machine) -> None:
    (machine.project / "pinnace.toml").write_text(_ASKS + 'mounts = ["../.."]\n')

    said = _say(machine, "trust", code=77)

    assert "run.environment = MY_THING" in said
    outside = machine.project.parent.parent
    assert f"run.mounts = {outside}:{outside}:ro" in said
    assert "--yes" in said
    assert "nothing is approved" in _say(machine, "trust", "--list")


@pytest.mark.parametrize(("answer", "code"), [("n", 77), ("", 77), ("y", 0)])
def test_trust_asks_at_a_terminal(machine: Machine, answer: str, code: int) -> None:
    (machine.project / "pinnace.toml").write_text(_ASKS)
    arguments = ["-m", "pinnace", "trust"]
    child = pexpect.spawn(
        sys.executable, arguments, cwd=str(machine.project), env=machine.environment, timeout=60
    )
    child.expect_exact("run.environment = MY_THING")
    child.expect_exact("Approve this?")
    child.sendline(answer)
    child.expect(pexpect.EOF)
    child.close()

    assert child.exitstatus == code
    assert ("nothing is approved" in _say(machine, "trust", "--list")) is (code != 0)


def test_trust_tells_programs_what_waits_and_asks_nobody(machine: Machine) -> None:
    path = machine.project / "pinnace.toml"
    path.write_text(_ASKS)

    waiting = json.loads(machine.pinnace("trust", "--json").stdout)
    assert (waiting["ok"], waiting["error"]["exit_code"]) == (False, 77)
    (asked,) = waiting["result"]["asked"]
    assert asked["path"] == str(path)
    assert asked["values"]["run.environment"] == ["MY_THING"]
    assert _json(machine, "trust", "--list", "--json") == []

    assert _json(machine, "trust", "--yes", "--json")["approved"] is True
    assert [one["path"] for one in _json(machine, "trust", "--list", "--json")] == [str(path)]
    assert _json(machine, "trust", "--json") == {"approved": False, "asked": []}
    assert _json(machine, "trust", "--revoke", "--json") == [str(path)]


def test_pin_and_unpin_answer_programs(machine: Machine) -> None:
    path = str(machine.project / ".claude-version")
    assert _json(machine, "pin", "--json") == {"specifier": "9.9.9", "source": path}
    pinned = _json(machine, "pin", "2.1.330", "--json")
    assert pinned == {"version": "2.1.330", "path": path, "lock": None}
    gone = _json(machine, "unpin", "--json")
    assert gone["removed"] == [path]
    assert gone["now"]["source"] is None
    refused = json.loads(machine.pinnace("pin", "2.1.33O", "--json").stdout)
    assert refused["error"]["exit_code"] == 65


def test_trust_lists_and_revokes(machine: Machine) -> None:
    path = machine.project / "pinnace.toml"
    assert "nothing here waits" in _say(machine, "trust")
    path.write_text(_ASKS)
    _say(machine, "trust", "--yes")

    assert str(path) in _say(machine, "trust", "--list")
    assert str(path) in _say(machine, "trust", "--revoke")
    assert "nothing here was approved" in _say(machine, "trust", "--revoke")
    assert "not approved" in _say(machine, "run")
    assert "choose one" in _say(machine, "trust", "--yes", "--list", code=64)


def test_a_broken_settings_file_ends_a_launch_and_all_that_asks(machine: Machine) -> None:
    path = machine.project / "pinnace.toml"
    path.write_text('[run]\nmemroy = "4g"\n')

    for verb in ("run", "status", "config", "trust"):
        said = _say(machine, verb, code=78)
        assert f"error: {path}:2: " in said
        assert "perhaps you meant 'memory'" in said
    assert _json(machine, "config", "--json")["kind"] == "BadSettingsError"
    assert machine.docker.calls("run") == []


def test_without_files_and_options_no_parser_is_imported(machine: Machine) -> None:
    (machine.project / "pyproject.toml").write_text("[project]\n")
    (machine.project / "package.json").write_text("{}")
    machine.environment["PINNACE_TOOLS"] = "none"
    machine.pinnace("run")

    slow = {
        "tomllib",
        "argparse",
        "difflib",
        "pinnace.config.toml",
        "hashlib",
    }
    assert _imports(machine, "--", "-p") & slow == set()
    (machine.project / "pinnace.toml").write_text("[run]\npids = 5\n")
    assert _imports(machine) & slow == {"tomllib", "pinnace.config.toml"}


def test_pin_writes_where_the_pin_is(machine: Machine) -> None:
    (machine.project / ".git").mkdir()
    settings = machine.project / "pinnace.toml"
    settings.write_text(f'# why\n[claude]\nversion = "2.1" # it\n{_ASKS}')
    settings.chmod(0o640)
    _say(machine, "trust", "--yes")

    _say(machine, "pin", str(_KNOWN))

    assert settings.read_text() == f'# why\n[claude]\nversion = "{_KNOWN}" # it\n{_ASKS}'
    assert settings.stat().st_mode & 0o777 == 0o640
    assert (machine.project / ".claude-version").read_text() == f"{hosts.VERSION}\n"
    assert _json(machine, "config", "--json")["pending"] == [], "a version reaches nowhere"


def test_a_pin_in_another_tools_file_gets_one_beside_it(machine: Machine) -> None:
    (machine.project / ".claude-version").unlink()
    (machine.project / ".git").mkdir()
    (machine.project / "sub").mkdir()
    (machine.project / "sub" / ".tool-versions").write_text("claude 2.1\n")
    machine.project /= "sub"

    _say(machine, "pin", str(_KNOWN))

    assert (machine.project / ".claude-version").read_text() == f"{_KNOWN}\n"
    assert (machine.project / ".tool-versions").read_text() == "claude 2.1\n"


def test_unpin_removes_pin_and_lock_and_says_what_counts(machine: Machine) -> None:
    (machine.project / ".tool-versions").write_text("claude 2.1.5\n")
    _say(machine, "pin", str(_KNOWN), "--lock")
    assert (machine.project / "pinnace.lock").is_file()

    said = _say(machine, "unpin")

    assert not (machine.project / "pinnace.lock").exists()
    assert not (machine.project / ".claude-version").exists()
    assert f"what counts now: 2.1.5 ({machine.project / '.tool-versions'})" in said
    assert "not Pinnace's" in _say(machine, "unpin", code=65)
    (machine.project / ".tool-versions").unlink()
    assert "no pin" in _say(machine, "unpin", code=65)


def test_unpin_takes_the_line_out_of_a_settings_file(machine: Machine) -> None:
    settings = machine.project / "pinnace.toml"
    settings.write_text('[claude]\nversion = "2.1"\nvariant = "dev"\n')

    said = _say(machine, "unpin")

    assert settings.read_text() == '[claude]\nvariant = "dev"\n'
    assert f"what counts now: {hosts.VERSION}" in said


def test_a_locks_content(machine: Machine) -> None:
    _say(machine, "pin", str(_KNOWN), "--lock")

    document = json.loads((machine.project / "pinnace.lock").read_text())

    packages = document["versions"][str(_KNOWN)]["packages"]
    assert {p["platform"] for p in packages} == {"linux/amd64", "linux/arm64"}
    assert all(p["integrity"].startswith("sha512-") for p in packages)
    assert all(len(p["executable_sha256"]) == 64 for p in packages)
    assert document["images"] == []


def _locked(machine: Machine, sha256: str, version: str = hosts.VERSION) -> Path:
    """Write a project's lock whose executables have a digest."""
    entry = lock.load(lock.SHIPPED_LOCK).entries[_KNOWN]
    packages = tuple(p._replace(executable_sha256=sha256) for p in entry.packages)
    exact = CliVersion.parse(version)
    changed = entry._replace(version=exact, packages=packages)
    path = machine.project / "pinnace.lock"
    path.write_text(Lock({exact: changed}).dumps())
    return path


@pytest.mark.parametrize("verified", [False, True])
def test_an_image_must_hold_what_the_projects_lock_says(
    machine: Machine, *, verified: bool
) -> None:
    if verified:
        machine.pinnace("run")
    _locked(machine, "7" * 64)

    said = _say(machine, "run", code=79)

    assert "pinnace.lock" in said
    assert len(machine.docker.calls("run")) == int(verified)
    assert _json(machine, "status", "--json")["exit_code"] == 79
    _locked(machine, hosts.SHA256)
    assert "lock" not in _say(machine, "run")


def test_a_lock_of_another_version_does_not_speak_of_this_one(machine: Machine) -> None:
    _locked(machine, "7" * 64, "9.9.8")

    assert machine.pinnace("run").returncode == 0


def test_the_projects_lock_decides_what_its_pin_means(machine: Machine) -> None:
    (machine.project / ".claude-version").write_text(">=2.1.300\n")
    _locked(machine, hosts.SHA256)

    assert machine.pinnace("run", "--no-provision").returncode == 0
    assert _json(machine, "status", "--json")["pin"]["version"] == hosts.VERSION


@pytest.mark.parametrize("content", ["", "{", "[]", '{"schema": 1, "versions": {}}', "[" * 100_000])
def test_a_broken_lock_is_refused(machine: Machine, content: str) -> None:
    (machine.project / "pinnace.lock").write_text(content)

    assert "pinnace.lock" in _say(machine, "run", code=65)


def test_a_lock_that_is_a_link_is_refused(machine: Machine) -> None:
    path = _locked(machine, hosts.SHA256)
    path.rename(machine.project / "real")
    path.symlink_to("real")

    assert "pinnace.lock" in _say(machine, "run", code=65)


def test_a_version_that_does_not_exist_gets_a_suggestion(
    machine: Machine, fake_npm: FakeNpm
) -> None:
    fake_npm.fails("E404", "not found")
    path = f"{fake_npm.bin}:{machine.environment['PATH']}"

    said = _say(machine, "pin", f"{_KNOWN}0", code=65, PATH=path)

    assert f"perhaps you meant {_KNOWN}" in said


def test_a_directorys_name_gives_the_terminal_no_commands(machine: Machine) -> None:
    place = machine.project / "a\x1b[2Jb\nc"
    place.mkdir()
    (place / "pinnace.toml").write_text(_ASKS)
    machine = dataclasses.replace(machine, project=place)

    for verb in (("run", "--dry-run"), ("status",), ("config",), ("trust",), ("trust", "--yes")):
        done = machine.pinnace(*verb)
        assert b"\x1b" not in done.stderr, verb
        assert b"\x1b" not in done.stdout or verb[0] == "run", verb
