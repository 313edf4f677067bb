"""`pinnace status`: what a launch would do, as text and as an envelope of JSON."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

import pytest

from pinnace.image.recipe import recipe as recipe_on
from pinnace_core.image import Image
from tests.process.conftest import image
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
            "missing": None,
            "verified": False,
            "lock": None,
            "engine": {"endpoint": machine.engine.endpoint, "version": "99.1.2"},
            "pending": [],
        },
    }


def test_asking_runs_and_writes_nothing(machine: Machine, tmp_path: Path) -> None:
    before = sorted((tmp_path / "home").rglob("*"))
    _status(machine, 0)

    assert machine.docker.log("call") == []
    assert sorted((tmp_path / "home").rglob("*")) == before


def test_after_a_launch_the_image_is_verified(machine: Machine) -> None:
    machine.pinnace("run")

    assert _status(machine, 0)["result"]["verified"] is True


def test_an_image_that_is_missing_is_none(machine: Machine) -> None:
    machine.engine.images = []

    result = _status(machine, 0)["result"]

    assert (result["image"], result["verified"]) == (None, False)
    assert result["missing"] == {"name": "pinnace/claude:9.9.9-slim", "next": "build"}


_OWN: Final = f"sha256:{1:064}"
_REPOSITORY: Final = "registry.example/claude"


def _base_and_own(machine: Machine) -> str:
    """Have a project's own image with one package; return its name."""
    base = machine.engine.images[0]
    recipe = recipe_on(Image.from_engine(base), packages=("jq",))
    machine.engine.images.append(image(_OWN, project=recipe.identity) | {"RepoTags": [recipe.name]})
    return recipe.name


def test_a_projects_own_image_is_the_one_that_a_launch_takes(machine: Machine) -> None:
    name = _base_and_own(machine)

    result = _status(machine, 0, PINNACE_PACKAGES="jq")["result"]

    assert (result["image"], result["missing"]) == ({"id": _OWN, "tags": [name]}, None)
    assert _status(machine, 0)["result"]["image"]["id"] == hosts.IMAGE_ID


def test_a_projects_own_image_that_is_missing_is_named_and_not_built(machine: Machine) -> None:
    _base_and_own(machine)

    result = _status(machine, 0, PINNACE_PACKAGES="jq,tree")["result"]

    assert result["image"] is None
    assert result["missing"]["name"].startswith("pinnace/claude:9.9.9-slim-project-")
    assert result["missing"]["next"] == "build"
    assert machine.docker.log("call") == []


def test_an_image_that_the_settings_name_is_the_one(machine: Machine) -> None:
    named = image(_OWN) | {"RepoTags": ["mine/claude:1"]}
    machine.engine.images.append(named)

    result = _status(machine, 0, PINNACE_IMAGE="mine/claude:1")["result"]
    missing = _status(machine, 0, PINNACE_IMAGE="mine/claude:2")["result"]["missing"]

    assert (result["image"]["id"], result["missing"]) == (_OWN, None)
    assert missing == {"name": "mine/claude:2", "next": "pull"}


def test_an_image_that_the_settings_name_and_is_another_version_is_a_problem(
    machine: Machine,
) -> None:
    machine.engine.images.append(image(_OWN, version="9.9.8") | {"RepoTags": ["mine/claude:1"]})

    document = _status(machine, 79, PINNACE_IMAGE="mine/claude:1")

    _is_error(document, "VerificationFailedError", 79)


@pytest.mark.parametrize(
    ("environment", "name", "step"),
    [
        ({"PINNACE_REPOSITORY": _REPOSITORY}, f"{_REPOSITORY}:9.9.9-slim", "pull"),
        ({"PINNACE_PROVISION": "no"}, "pinnace/claude:9.9.9-slim", "fail"),
        ({"PINNACE_PACKAGES": "jq"}, "pinnace/claude:9.9.9-slim", "build"),
    ],
)
def test_how_a_missing_image_would_be_got(
    machine: Machine, environment: dict[str, str], name: str, step: str
) -> None:
    machine.engine.images = []

    result = _status(machine, 0, **environment)["result"]
    said = machine.pinnace("status", environment=environment).stdout.decode()

    assert result["missing"] == {"name": name, "next": step}
    assert name in said


def test_a_devcontainer_counts_if_it_fits(machine: Machine) -> None:
    machine.engine.images.append(image(_OWN) | {"RepoTags": ["mine/claude:1"]})
    place = machine.project / ".devcontainer.json"
    place.write_text('{"image": "mine/claude:1"}')
    on = {"PINNACE_DEVCONTAINER": "yes"}
    assert _status(machine, 0, **on)["result"]["image"]["id"] == _OWN

    place.write_text('{"image": "debian:13"}')

    assert _status(machine, 0, **on)["result"]["image"]["id"] == hosts.IMAGE_ID
    said = machine.pinnace("status", environment=on).stdout.decode()
    assert "note       .devcontainer.json names the image 'debian:13', which is not taken" in said


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
