"""`pinnace status`: what a launch would do, as text and as an envelope of JSON."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from tests.support import hosts
from tests.support.fake_docker import text

if TYPE_CHECKING:
    from pathlib import Path

    from tests.process.conftest import Machine


def _status(machine: Machine, code: int, **environment: str) -> dict[str, Any]:
    done = machine.pinnace("status", "--json", environment=environment)
    assert done.returncode == code, done.stderr
    assert done.stdout.count(b"\n") == 1
    document: dict[str, Any] = json.loads(done.stdout)
    assert document["schema"] == 1
    assert document["ok"] is (code == 0)
    return document


def _is_error(document: dict[str, Any], kind: str, code: int) -> None:
    error = document["error"]
    assert set(error) == {"kind", "message", "hint", "exit_code"}
    assert (error["kind"], error["exit_code"]) == (kind, code)
    assert error["message"]
    assert error["hint"]


def test_the_envelope_holds_the_state(machine: Machine) -> None:
    document = _status(machine, 0)

    assert document == {
        "schema": 1,
        "ok": True,
        "result": {
            "workspace": str(machine.project),
            "pin": {
                "specifier": "9.9.9",
                "source": str(machine.project / ".claude-version"),
                "version": "9.9.9",
            },
            "image": {"id": hosts.IMAGE_ID, "tags": machine.engine.images[0]["RepoTags"]},
            "verified": False,
            "engine": {"endpoint": machine.engine.endpoint, "version": "99.1.2"},
            "pending": [],
        },
    }


def test_asking_runs_and_writes_nothing(machine: Machine, tmp_path: Path) -> None:
    _status(machine, 0)

    assert machine.docker.log("call") == []
    assert list((tmp_path / "home").iterdir()) == []


def test_after_a_launch_the_image_is_verified(machine: Machine) -> None:
    machine.pinnace("run")

    assert _status(machine, 0)["result"]["verified"] is True


def test_an_image_that_is_missing_is_none(machine: Machine) -> None:
    machine.engine.images = []

    result = _status(machine, 0)["result"]

    assert (result["image"], result["verified"]) == (None, False)


def test_an_engine_that_is_down_is_an_error_beside_the_rest(
    machine: Machine, tmp_path: Path
) -> None:
    document = _status(machine, 69, DOCKER_HOST=f"unix://{tmp_path}/absent.sock")

    _is_error(document, "EngineUnavailableError", 69)
    assert document["result"]["pin"]["version"] == "9.9.9"
    assert document["result"]["engine"]["version"] is None


@pytest.mark.parametrize("path", ["/version", "/images/json"])
def test_an_engine_that_talks_nonsense_is_an_error(machine: Machine, path: str) -> None:
    machine.engine.answers[path] = text("<html>")

    _is_error(_status(machine, 69), "EngineUnavailableError", 69)


def test_a_broken_pin_is_an_error(machine: Machine) -> None:
    (machine.project / ".claude-version").write_text("one\ntwo\n")

    document = _status(machine, 65)

    _is_error(document, "BadPinError", 65)


def test_for_people_it_is_lines(machine: Machine) -> None:
    done = machine.pinnace("status")

    assert done.returncode == 0
    lines = dict(line.split(maxsplit=1) for line in done.stdout.decode().splitlines())
    assert lines == {
        "workspace": str(machine.project),
        "pin": f"9.9.9 ({machine.project / '.claude-version'})",
        "version": "9.9.9",
        "image": machine.engine.images[0]["RepoTags"][0],
        "verified": "not yet",
        "engine": f"99.1.2 at {machine.engine.endpoint}",
    }


def test_without_a_pin_it_says_what_counts(machine: Machine) -> None:
    (machine.project / ".claude-version").unlink()

    done = machine.pinnace("status")

    assert b"pin        none: the newest that is locked counts\n" in done.stdout
