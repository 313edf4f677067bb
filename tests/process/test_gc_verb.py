"""`pinnace gc`, with a fake client."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pexpect
import pytest

from pinnace_images import contract
from tests.process.conftest import image
from tests.support import containers, hosts

if TYPE_CHECKING:
    from tests.process.conftest import Machine

_BUILD = "b" * 12
_LONG_AGO = 1_000_000_000


@pytest.fixture(autouse=True)
def _own_places(machine: Machine) -> None:
    home = machine.environment["HOME"]
    machine.environment |= {
        "XDG_STATE_HOME": f"{home}/state",
        "XDG_CACHE_HOME": f"{home}/cache",
        "XDG_DATA_HOME": f"{home}/data",
    }
    machine.docker.will("system", stdout="[]")


def _state(machine: Machine) -> Path:
    return Path(machine.environment["XDG_STATE_HOME"], "pinnace")


def _leave(machine: Machine, name: str, text: str = "x") -> Path:
    path = _state(machine) / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    os.utime(path, (_LONG_AGO, _LONG_AGO))
    return path


def _clutter(machine: Machine) -> dict[str, Path]:
    """Leave one thing of each kind that goes, and one of each that stays."""
    machine.docker.holds(
        containers.inspected("pinnace-orphan-1"),
        containers.inspected("pinnace-alive-1", pid=os.getpid()),
        containers.inspected("pinnace-pasted-1", pid=None),
    )
    machine.docker.will("image ls", stdout=f"{hosts.IMAGE_ID}\n")
    gone = {
        "record": _leave(machine, "runs/pinnace-orphan-1", containers.record(containers.labels())),
        "verification": _leave(machine, f"verified/sha256-{'0' * 64}"),
        "unfinished": _leave(machine, "verified/.x.1.tmp"),
    }
    gone["half of a layer"] = _leave(machine, "layers/never-begun/upper/x")
    os.utime(gone["half of a layer"].parents[1], (_LONG_AGO, _LONG_AGO))
    # Of a layer all stays: its record may be broken, and what is in it have any name.
    _leave(machine, "layers/begun/layer.json", "broken")
    os.utime(_leave(machine, "layers/begun/upper/.x.tmp").parents[1], (_LONG_AGO, _LONG_AGO))
    kept = containers.labels(pid=os.getpid())
    _leave(machine, "runs/pinnace-alive-1", containers.record(kept))
    _leave(machine, f"verified/{hosts.IMAGE_ID.replace(':', '-')}")
    return gone


def _gc(machine: Machine, *arguments: str) -> dict[str, Any]:
    done = machine.pinnace("gc", "--json", *arguments)
    assert done.returncode == 0, done.stderr + done.stdout
    result: dict[str, Any] = json.loads(done.stdout)["result"]
    return result


def test_without_yes_it_only_tells(machine: Machine) -> None:
    gone = _clutter(machine)

    done = machine.pinnace("gc")

    assert done.returncode == 0
    for text in (b"pinnace-orphan-1", b"its launcher is gone", b"total: ", b"verified/sha256-000"):
        assert text in done.stdout
    assert b"alive-1" not in done.stdout
    assert b"--yes does it" in done.stderr
    assert len(machine.docker.containers) == 3
    assert all(path.exists() for path in gone.values())


def test_with_yes_it_removes_what_it_told_and_nothing_else(machine: Machine) -> None:
    gone = _clutter(machine)
    before = {p for p in _state(machine).rglob("*") if p.is_file()}
    told = _gc(machine)

    done = _gc(machine, "--yes")

    assert (told["applied"], done["applied"]) == (False, True)
    assert told["gone"] == done["gone"]
    assert set(done["gone"][0]) == {"scope", "what", "why", "size", "id"}
    assert machine.docker.containers == ["pinnace-alive-1", "pinnace-pasted-1"]
    assert before - {p for p in _state(machine).rglob("*") if p.is_file()} == set(gone.values())
    assert _gc(machine, "--yes") == {"applied": False, "size": 0, "gone": []}


def test_what_a_verification_left_goes(machine: Machine) -> None:
    left = containers.inspected("pinnace-check-0-1", state="created")
    left["Config"]["Labels"] = hosts.labels() | {contract.LABEL_CHECK: hosts.IMAGE_ID}
    stranger = containers.inspected("stranger")
    stranger["Config"]["Labels"] = hosts.labels()
    machine.docker.holds(left, stranger)

    (item,) = _gc(machine, "--yes")["gone"]

    assert (item["scope"], item["what"]) == ("containers", "pinnace-check-0-1")
    assert machine.docker.containers == ["stranger"]


@pytest.mark.parametrize(("answer", "left"), [("n", 3), ("y", 2)])
def test_on_a_terminal_it_asks(machine: Machine, answer: str, left: int) -> None:
    _clutter(machine)
    terminal = pexpect.spawn(
        sys.executable,
        ["-m", "pinnace", "gc"],
        cwd=str(machine.project),
        env={**os.environ, **machine.environment},
        timeout=60,
    )
    terminal.expect_exact("Remove it?")
    terminal.sendline(answer)
    terminal.expect(pexpect.EOF)
    terminal.close()

    assert terminal.exitstatus == 0
    assert len(machine.docker.containers) == left


def _built(version: str, number: int, *, created: str = "2020-01-01T00:00:00Z") -> dict[str, Any]:
    document = image(f"sha256:{number:064x}", created=created, version=version, build_id="b" * 64)
    name = f"pinnace/claude:{version}-slim"
    document["RepoTags"] = [name, f"{name}-{_BUILD}"]
    return document


def _images(machine: Machine, *documents: dict[str, Any]) -> None:
    """Let there be images that this user launched long ago."""
    machine.engine.images = list(documents)
    machine.docker.knows(documents)
    for document in documents:
        _leave(machine, f"verified/{document['Id'].replace(':', '-')}")


def _images_that_go(machine: Machine, *arguments: str) -> list[str]:
    gone = _gc(machine, *arguments)["gone"]
    named = (item["what"] for item in gone if item["scope"] == "images")
    # Each goes by the build's name, too.
    return [name for name in named if not name.endswith(_BUILD)]


def test_old_images_go_beyond_the_newest(machine: Machine) -> None:
    versions = [f"1.0.{n}" for n in range(5)]
    _images(machine, *(_built(version, n) for n, version in enumerate(versions)))

    assert _images_that_go(machine) == ["pinnace/claude:1.0.0-slim", "pinnace/claude:1.0.1-slim"]
    assert len(_images_that_go(machine, "--newest", "0")) == 5
    assert _images_that_go(machine, "--newest", "9") == []


def test_an_image_that_this_user_never_launched_stays_and_it_is_said_why(machine: Machine) -> None:
    _images(machine, _built("9.9.9", 1))
    for record in (_state(machine) / "verified").iterdir():
        record.unlink()

    found = _gc(machine, "--newest", "0", "--days", "0", "--explain")

    assert [item for item in found["gone"] if item["scope"] == "images"] == []
    assert "another user" in next(i["why"] for i in found["kept"] if i["scope"] == "images")


def test_an_image_that_was_launched_lately_stays(machine: Machine) -> None:
    _images(machine, _built("9.9.9", 1))
    assert _images_that_go(machine, "--newest", "0") == ["pinnace/claude:9.9.9-slim"]

    assert machine.pinnace("run").returncode == 0
    (record,) = (_state(machine) / "verified").iterdir()
    os.utime(record, (_LONG_AGO, _LONG_AGO))
    # No longer a project that was launched in: only the time of its use counts.
    for known in Path(machine.environment["XDG_DATA_HOME"]).rglob("project.json"):
        known.unlink()
    assert _images_that_go(machine, "--newest", "0") == ["pinnace/claude:9.9.9-slim"]
    assert machine.pinnace("run").returncode == 0
    for known in Path(machine.environment["XDG_DATA_HOME"]).rglob("project.json"):
        known.unlink()

    assert _images_that_go(machine, "--newest", "0") == []
    assert _images_that_go(machine, "--newest", "0", "--days", "0") == ["pinnace/claude:9.9.9-slim"]


def test_a_projects_own_image_goes_if_it_was_not_launched_lately(machine: Machine) -> None:
    own = image(f"sha256:{2:064x}", created="2020-01-01T00:00:00Z", project="e" * 64)
    own["RepoTags"] = [f"pinnace/claude:9.9.9-slim-project-{'e' * 12}"]
    _images(machine, _built("9.9.9", 1), own)
    (_state(machine) / "verified" / own["Id"].replace(":", "-")).unlink()
    assert _images_that_go(machine) == [], "nothing tells when it was used"

    record = _leave(machine, f"verified/{own['Id'].replace(':', '-')}")

    assert _images_that_go(machine) == own["RepoTags"]
    os.utime(record)
    assert _images_that_go(machine) == []


def _gateway(build: str, *names: str) -> dict[str, Any]:
    document = image(f"sha256:{build * 64}", created="2020-01-01T00:00:00Z")
    labels = {contract.LABEL_GATEWAY: "1", contract.LABEL_BUILD_ID: build * 64}
    document["Config"] = {**document["Config"], "Labels": labels}
    document["RepoTags"] = [f"pinnace/gateway:{build * 12}", *names]
    return document


def test_a_gateway_that_another_one_has_superseded_goes(machine: Machine) -> None:
    machine.docker.knows([_gateway("c"), _gateway("d", contract.GATEWAY_NAME)])

    found = _gc(machine, "--yes", "--explain")

    (gone,) = (item for item in found["gone"] if item["scope"] == "images")
    assert (gone["what"], gone["id"]) == (f"pinnace/gateway:{'c' * 12}", f"sha256:{'c' * 64}")
    assert machine.docker.calls("image rm") == [["image", "rm", gone["what"]]]
    assert {item["why"] for item in found["kept"] if item["scope"] == "images"} == {
        "the current one"
    }


def test_what_a_project_pins_that_was_launched_in_stays(machine: Machine) -> None:
    _images(machine, _built("9.9.9", 1), _built("9.9.8", 2))
    machine.pinnace("run")

    arguments = ("--newest", "0", "--days", "0")
    assert _images_that_go(machine, *arguments) == ["pinnace/claude:9.9.8-slim"]

    (machine.project / ".claude-version").write_text("9.9\n")
    assert _images_that_go(machine, *arguments) == []

    (machine.project / ".claude-version").unlink()
    assert len(_images_that_go(machine, *arguments)) == 2


@pytest.mark.parametrize(
    "text", ["", "[]", "{", '{"projects": 3}', '{"projects": {"relative": 1, "/nowhere": 2}}']
)
def test_a_list_of_projects_that_is_none_is_passed_over(machine: Machine, text: str) -> None:
    state = Path(machine.environment["XDG_DATA_HOME"], "pinnace/claude/default/.claude.json")
    state.parent.mkdir(parents=True)
    state.write_text(text)

    assert _gc(machine)["gone"] == []


def test_a_pipe_in_a_projects_place_does_not_hang_it(machine: Machine) -> None:
    os.mkfifo(machine.project / "pipe")
    state = Path(machine.environment["XDG_DATA_HOME"], "pinnace/claude/default/.claude.json")
    state.parent.mkdir(parents=True)
    (machine.project / ".claude-version").unlink()
    os.mkfifo(machine.project / ".claude-version")
    projects: dict[str, Any] = {str(machine.project): {}, str(machine.project / "pipe"): {}}
    state.write_text(json.dumps({"projects": projects}))

    assert _gc(machine)["gone"] == []


def test_an_engine_that_is_down_removes_nothing(machine: Machine) -> None:
    gone = _clutter(machine)
    machine.docker.will("container ls", stderr="Cannot connect to the daemon\n", code=1)

    done = machine.pinnace("gc", "--yes")

    assert done.returncode == 69
    assert all(path.exists() for path in gone.values())


def test_a_container_that_the_engine_keeps_is_an_error(machine: Machine) -> None:
    _clutter(machine)
    machine.docker.will("container rm", stderr="Error response: it is busy\n", code=1)

    done = machine.pinnace("gc", "--yes")

    assert (done.returncode, b"it is busy" in done.stderr) == (69, True)
