"""`pinnace doctor`, and what a launch remembers of an engine."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.fake_docker import INFO, as_json

if TYPE_CHECKING:
    from tests.process.conftest import Machine


def _doctor(machine: Machine, code: int, **environment: str) -> dict[str, Any]:
    done = machine.pinnace("doctor", "--json", environment=environment)
    assert done.returncode == code, done.stdout + done.stderr
    document: dict[str, Any] = json.loads(done.stdout)
    assert (document["schema"], document["ok"]) == (1, code == 0)
    return {check["name"]: check for check in document["result"]["checks"]}


def test_a_mount_that_leads_elsewhere_fails_the_probe(machine: Machine) -> None:
    checks = _doctor(machine, 69)

    # The fake client writes nothing.
    assert checks["probe"]["status"] == "fail"
    assert "does not appear here" in checks["probe"]["found"]
    assert {c["name"] for c in checks.values() if c["status"] == "fail"} == {"mount", "probe"}
    probes = [argv for argv in machine.docker.calls("check") if "/probe/made" in argv[-1]]
    assert len(probes) == 1


def test_without_an_image_nothing_is_probed(machine: Machine) -> None:
    machine.engine.images = []
    machine.docker.knows([])

    checks = _doctor(machine, 0)

    assert "probe" not in checks
    assert checks["image"]["status"] == "warn"


def test_a_misspelt_variable_is_warned_of(machine: Machine) -> None:
    check = _doctor(machine, 69, PINNACE_MEMROY="4g")["settings"]

    assert check["status"] == "warn"
    assert "PINNACE_MEMROY, perhaps you meant 'PINNACE_MEMORY'" in check["found"]
    assert check["fix"] == "see them: pinnace config"
    assert _doctor(machine, 69)["settings"]["status"] == "ok"


def test_an_engine_that_is_down_leaves_the_rest(machine: Machine, tmp_path: Path) -> None:
    checks = _doctor(machine, 69, DOCKER_HOST=f"unix://{tmp_path}/absent.sock")

    assert checks["engine"]["status"] == "fail"
    assert checks["pin"]["status"] == "ok"
    assert "user" not in checks


def test_whom_a_project_has_npm_trust_is_not_proposed(machine: Machine) -> None:
    """A file of npm's in the project may be anybody's work."""
    (machine.docker.bin / "npm").write_text(
        "#!/bin/sh\nsed -n 's/^cafile=//p' .npmrc ~/.npmrc 2>/dev/null\ntrue\n"
    )
    (machine.docker.bin / "npm").chmod(0o755)
    (machine.project / ".npmrc").write_text("cafile=/somewhere/evil.pem\n")

    assert "evil.pem" not in str(_doctor(machine, 69)["certificates"])

    (Path(machine.environment["HOME"]) / ".npmrc").write_text("cafile=/somewhere/own.pem\n")

    assert "own.pem" in str(_doctor(machine, 69)["certificates"])


def test_an_engine_elsewhere_fails(machine: Machine) -> None:
    checks = _doctor(machine, 69, DOCKER_HOST="ssh://me@engine.example")

    assert "another machine's" in checks["engine"]["found"]
    assert "run pinnace over there" in checks["engine"]["fix"]


def test_a_broken_pin_fails_with_its_code(machine: Machine) -> None:
    machine.engine.images = []
    (machine.project / ".claude-version").write_text("one\ntwo\n")

    assert _doctor(machine, 65)["pin"]["status"] == "fail"


def test_for_people_it_is_lines(machine: Machine) -> None:
    machine.engine.images = []

    done = machine.pinnace("doctor")

    assert done.returncode == 0
    assert b"ok    engine       docker 99.1.2" in done.stdout or b"warn  engine" in done.stdout


def _questions(machine: Machine) -> list[str]:
    return [request.split(b" ")[1].decode() for request in machine.engine.requests]


def test_a_launch_asks_an_engine_once_what_it_is(machine: Machine) -> None:
    for _ in range(3):
        assert machine.pinnace("run").returncode == 0

    assert _questions(machine).count("/info") == 1


def test_an_engine_that_took_the_place_is_asked_anew(machine: Machine) -> None:
    machine.pinnace("run")
    machine.engine.answers["/info"] = as_json(INFO | {"SecurityOptions": ["name=userns"]})
    # What an engine writes when it starts.
    Path(machine.engine.path).with_name("docker.pid").write_text("1")

    done = machine.pinnace("run")

    assert done.returncode == 69
    assert b"userns-remap" in done.stderr


@pytest.mark.parametrize("content", ["", "{}", "garbage"])
def test_a_broken_record_is_mended(machine: Machine, tmp_path: Path, content: str) -> None:
    machine.pinnace("run")
    (record,) = (tmp_path / "home" / ".local/state/pinnace/engines").iterdir()
    whole = record.read_text()
    record.write_text(content)

    assert machine.pinnace("run").returncode == 0
    assert record.read_text() == whole


def test_rootless_docker_runs_as_root_inside_and_says_so(machine: Machine) -> None:
    rootless = {"SecurityOptions": ["name=rootless"], "MemoryLimit": False, "PidsLimit": False}
    machine.engine.answers["/info"] = as_json(INFO | rootless)

    done = machine.pinnace("run")

    assert done.returncode == 0
    (argv,) = machine.docker.calls("run")
    assert {"--user=0:0", "--env=IS_SANDBOX=1"} <= set(argv)
    assert not [a for a in argv if a.startswith(("--memory", "--pids-limit"))]
    assert b"Claude is root, which is you outside" in done.stderr
    assert b"cannot limit memory and processes here" in done.stderr


def test_an_unknown_kind_of_engine_is_refused(machine: Machine) -> None:
    done = machine.pinnace("run", environment={"PINNACE_ENGINE": "containerd"})

    assert done.returncode == 78
    assert b"PINNACE_ENGINE: expected docker or podman" in done.stderr
