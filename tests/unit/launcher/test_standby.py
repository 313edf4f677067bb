"""Containers that wait: what makes one another than the next, who gets one, and who cannot."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from pinnace.config import approval
from pinnace.config.kinds import STANDBY
from pinnace.config.types import Place
from pinnace.launch import standby
from pinnace.launch.records import Record
from pinnace.launch.standby import Standby, make, recent, shelf
from pinnace.plan import Contribution, LaunchPlan, plan
from pinnace.plan.resources import Resource
from pinnace.plan.variables import Variable
from pinnace.request import RunRequest
from pinnace_core import host
from pinnace_core.container import ContainerSpec, Mount, Tmpfs
from pinnace_core.errors import EngineUnavailableError
from pinnace_images import contract
from tests.support import hosts

_PLACE = Place("/srv", "/home/me")


@pytest.fixture
def spec(tmp_path: Path) -> ContainerSpec:
    """A container as a launch has it."""
    project, config = tmp_path / "project", tmp_path / "config"
    for place in (project, config):
        place.mkdir()
    profile = tmp_path / "seccomp.json"
    profile.write_text("{}")
    return ContainerSpec(
        image="sha256:1",
        command=("connect", "--", "claude"),
        name="pinnace-project-c0ffee",
        workdir=str(project),
        user=(1000, 1000),
        mounts=(
            Mount(str(project), str(project)),
            Mount(str(config), "/home/agent/.claude"),
        ),
        tmpfs=(Tmpfs("/tmp", "exec"), Tmpfs("/home/agent", "exec")),  # noqa: S108 (inside)
        network="none",
        memory="8g",
        seccomp=str(profile),
    )


def _plan(spec: ContainerSpec, **changes: Any) -> LaunchPlan:
    return LaunchPlan(spec, relays=("connect", "--"), entered=("claude",))._replace(**changes)


def _one(**changes: Any) -> Standby:
    plain = Standby("a" * 32, "c0ffee", "k", "/srv/demo", "docker", time.time() + 900, "asked")
    return plain._replace(**changes)


@pytest.mark.parametrize(
    "changes",
    [
        {"image": "sha256:2"},
        {"memory": "4g"},
        {"pids": 7},
        {"user": (1001, 1000)},
        {"groups": (7,)},
        {"userns": "host"},
        {"devices": ("/dev/fuse",)},
        {"runtime": "runsc"},
        {"workdir": "/elsewhere"},
        {"tmpfs": ()},
        {"seccomp": ""},
        {"unlabelled": True},
        {"ulimits": (("core", 0),)},
    ],
)
def test_what_a_container_cannot_become_makes_it_another(
    spec: ContainerSpec, changes: dict[str, Any]
) -> None:
    assert standby.key(_plan(spec)) != standby.key(_plan(spec._replace(**changes)))


def test_every_field_of_a_container_counts_but_what_is_given_as_it_is_entered() -> None:
    of_the_launch = {
        *("name", "command", "interactive", "tty", "labels"),
        *("environment_names", "environment", "in_file", "environment_file"),
    }
    plain = ContainerSpec(image="i", command=())
    for field in ContainerSpec._fields:
        changed: dict[str, Any] = {field: ("made up",)}
        other = plain._replace(**changed)
        if field in {"mounts", "seccomp"}:
            continue
        is_same = standby.key(LaunchPlan(plain)) == standby.key(LaunchPlan(other))
        assert is_same == (field in of_the_launch), field


def test_the_launch_itself_makes_no_difference(spec: ContainerSpec) -> None:
    other = spec._replace(
        name="pinnace-project-decade",
        command=("connect", "--", "claude", "-p", "x"),
        tty=True,
        interactive=False,
        labels=(("a", "b"),),
        environment=(("A", "b"),),
        environment_names=("KEY",),
    )
    secret = Variable("KEY", "by name", "canary")

    assert standby.key(_plan(spec)) == standby.key(_plan(other, variables=(secret,), notes=("n",)))


def test_a_directory_in_the_place_of_another_makes_it_another(spec: ContainerSpec) -> None:
    before = standby.key(_plan(spec))
    project = Path(spec.mounts[0].source)
    project.rename(f"{project}-old")
    project.mkdir()

    assert standby.key(_plan(spec)) != before


def test_another_list_of_system_calls_makes_it_another(spec: ContainerSpec) -> None:
    before = standby.key(_plan(spec))
    Path(spec.seccomp).write_text('{"syscalls": []}')

    assert standby.key(_plan(spec)) != before


def test_other_relays_make_it_another(spec: ContainerSpec) -> None:
    other = _plan(spec, relays=("connect", "8080=service", "--"))

    assert standby.key(_plan(spec)) != standby.key(other)


def test_what_is_not_there_has_no_key(spec: ContainerSpec) -> None:
    gone = spec._replace(mounts=(Mount("/nonexistent", "/x"),))

    with pytest.raises(FileNotFoundError):
        standby.key(_plan(gone))


@pytest.mark.parametrize(
    ("changes", "planned"),
    [
        ({"network": ""}, {}),
        ({"private": "pinnace-x"}, {}),
        ({"mounts": (Mount("v", "/v", volume=True),)}, {}),
        ({}, {"relays": ()}),
        ({}, {"resources": (Resource(lambda _: None, alone="it is its own"),)}),
    ],
)
def test_some_launches_have_none(
    spec: ContainerSpec, changes: dict[str, Any], planned: dict[str, Any]
) -> None:
    assert standby.unfit(_plan(spec._replace(**changes), **planned))


def test_a_plain_launch_can_have_one(spec: ContainerSpec) -> None:
    resources = (Resource(lambda _: None),)

    assert standby.unfit(_plan(spec, resources=resources)) == ""


def test_what_is_there_from_the_start_is_known(spec: ContainerSpec) -> None:
    targets = ("/srv/demo", "/home/agent/.claude", "/home/agent/.cache/npm", "/tmp/a/b")  # noqa: S108
    mounts = tuple(Mount("/x", target) for target in targets)

    found = standby.expected(spec._replace(mounts=mounts))

    assert set(found) == {"/home/agent/.claude", "/home/agent/.cache", "/tmp/a"}  # noqa: S108


def test_one_that_waits_is_taken_by_one_alone() -> None:
    shelf.put(one := _one())
    taken: list[bool] = []
    threads = [threading.Thread(target=lambda: taken.append(shelf.take(one))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(taken) == [False] * 7 + [True]
    assert shelf.all_waiting() == []


def test_the_oldest_of_a_key_is_first_and_who_is_about_to_end_is_none() -> None:
    now = time.time()
    for token, key, until in (
        ("young", "k", now + 800),
        ("old", "k", now + 700),
        ("other", "x", now + 700),
        ("ends", "k", now + 5),
        ("future", "k", now + 9000),
    ):
        shelf.put(_one(token=token, key=key, until=until))

    assert [one.token for one in shelf.waiting("k")] == ["old", "young"]


@pytest.mark.parametrize(
    "text",
    [
        *("", "{", "[]", "1", '{"token": "t"}', "[" * 9000),
        '{"token":"t","container":1,"key":"k","project":"p","program":"docker","until":1.0,"asked":"a"}',
        '{"token":"t","container":"c","key":"k","project":"p","program":"rm","until":1.0,"asked":"a"}',
        '{"token":"u","container":"c","key":"k","project":"p","program":"docker","until":1.0,"asked":"a"}',
        '{"token":"t","container":"c","key":"k","project":"p","program":"docker","until":"x","asked":"a"}',
    ],
)
def test_what_is_no_record_is_passed_over(text: str) -> None:
    shelf.directory().mkdir(parents=True)
    (shelf.directory() / "t.json").write_text(text)

    assert shelf.all_waiting() == []


def test_what_was_taken_by_who_was_killed_is_found_later() -> None:
    shelf.put(ended := _one(until=time.time() - 1))
    shelf.put(fresh := _one()._replace(token="b" * 32))
    for one in (ended, fresh):
        assert shelf.take(one)

    assert shelf.abandoned() == [ended]


def test_it_is_said_if_what_waits_is_not_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    class Engine:
        def glance(self, _: str) -> None:
            if self.error:
                raise self.error

        error: Exception | None = EngineUnavailableError("it does not answer")

    engine = Engine()
    monkeypatch.setattr(make, "named", lambda _: engine)
    shelf.put(_one())
    with pytest.raises(EngineUnavailableError, match="1 of 1 that wait were not ended"):
        make.drop()
    assert shelf.all_waiting() == []

    engine.error = None
    shelf.put(one := _one())
    assert make.drop() == [one]


def test_a_record_is_of_the_container_that_has_its_token() -> None:
    labels = {contract.LABEL_RUN_STANDBY: "t", contract.LABEL_RUN_WORKSPACE: "/srv/demo"}
    record = Record("n", "docker", {**labels, contract.LABEL_RUN_PID: "1"})

    assert record.is_of({**labels, "more": ""})
    assert not record.is_of({**labels, contract.LABEL_RUN_STANDBY: "u"})
    assert not record.is_of({contract.LABEL_RUN_WORKSPACE: "/srv/demo"})


def test_the_prompt_makes_no_other_request() -> None:
    asked = RunRequest(flags={"run.memory": "4g"})

    assert make.asked(asked) == make.asked(asked._replace(claude_arguments=("-p", "x")))
    assert make.asked(asked) != make.asked(RunRequest())


@pytest.mark.parametrize("value", ["auto", 0, 1, 32, "7"])
def test_numbers_and_auto_are_settings(value: object) -> None:
    assert STANDBY.read(value, _PLACE) == str(value)


@pytest.mark.parametrize("value", [-1, 33, "many", "", True, 1.5, "01", "٣"])
def test_nothing_else_is(value: object) -> None:
    with pytest.raises(ValueError, match="expected"):
        STANDBY.read(value, _PLACE)


@pytest.mark.parametrize(
    ("below", "wanted", "waits"),
    [("0", "auto", True), ("auto", "1", False), ("1", "2", True), ("auto", "0", False)],
)
def test_a_project_may_have_less_wait_but_not_more(below: str, wanted: str, *, waits: bool) -> None:
    assert approval.MORE_STANDBY.waits(below, wanted) == waits


def test_what_is_entered_is_all_but_what_goes_on_beside_it() -> None:
    given = Contribution(wrapper=("around", "--"), relays=("beside", "--"))

    made = plan(hosts.inputs(claude_arguments=("-p", "x")), (given,), image=hosts.IMAGE_ID)

    claude = (contract.CLAUDE_BINARY, "-p", "x")
    assert made.spec.command == ("around", "--", "beside", "--", *claude)
    assert made.relays == ("beside", "--")
    assert made.entered == ("around", "--", *claude)


def test_only_what_was_launched_within_the_hour_is_launched_again() -> None:
    request, other = RunRequest(), RunRequest(flags={"run.memory": "4g"})

    assert not recent.again("/srv/demo", request)
    assert recent.again("/srv/demo", request._replace(claude_arguments=("-p", "another")))
    assert not recent.again("/srv/demo", other)
    assert not recent.again("/srv/another", request)

    for note in (host.directory("state") / "launched").iterdir():
        os.utime(note, (time.time() - 3601,) * 2)
    assert not recent.again("/srv/demo", request)
    assert len(list((host.directory("state") / "launched").iterdir())) == 1


def test_a_project_may_have_any_name() -> None:
    project = os.fsdecode(b"/srv/\xff")
    assert [recent.again(project, RunRequest()) for _ in range(2)] == [False, True]


def test_where_nothing_can_be_noted_nothing_is_in_use() -> None:
    place = host.directory("state") / "launched"
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text("no directory")

    assert not recent.again("/srv/demo", RunRequest())
    assert not recent.again("/srv/demo", RunRequest())
