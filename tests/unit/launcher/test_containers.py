"""Containers of launches: reading what the engine says, and understanding names."""

from __future__ import annotations

import os
import time
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from pinnace.launch import containers, jobs
from pinnace.launch.containers import Container
from pinnace.launch.jobs import Job
from pinnace_core.engine.docker import Docker
from pinnace_core.errors import AmbiguousNameError, LaunchMissingError
from tests.support import hosts
from tests.support.containers import NOW, container, inspected

if TYPE_CHECKING:
    from pathlib import Path

_DEMO = container("pinnace-demo-c0ffee")
_DEMO_2 = container("pinnace-demo-decade")
_OTHER = container("pinnace-other-facade", workspace="/srv/other")
_ALL = [_DEMO, _DEMO_2, _OTHER]


def test_what_the_engine_says_is_read() -> None:
    one = Container.from_engine(inspected(created=NOW, pid=4711, mounts=("/a",)))

    assert (one.name, one.workspace, one.version) == ("pinnace-demo-c0ffee", "/srv/demo", "9.9.9")
    assert (one.is_running, one.created, one.mounts) == (True, NOW.replace(microsecond=0), ("/a",))
    assert one.launcher is not None
    assert one.launcher.pid == 4711


@pytest.mark.parametrize(
    ("created", "age"),
    [
        ("2026-11-24T11:59:00.123456789Z", 59),
        ("2026-11-24T11:59:00Z", 60),
        ("2026-11-24T12:59:00.5+01:00", 59),
        ("2026-11-24T13:00:00Z", 0),
        ("0000-99-99", None),
        ("", None),
    ],
)
def test_an_age_is_counted_or_unknown(created: str, age: int | None) -> None:
    assert Container.from_engine(inspected() | {"Created": created}).age(NOW) == age


@pytest.mark.parametrize("missing", ["Config", "State", "Mounts", "Created"])
def test_what_is_missing_is_unknown(missing: str) -> None:
    one = Container.from_engine({k: v for k, v in inspected().items() if k != missing})

    assert one.name == "pinnace-demo-c0ffee"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(None, "?"), (0, "0s"), (59, "59s"), (60, "1m"), (7199, "1h"), (200_000, "2d")],
)
def test_an_age_is_written_in_its_largest_unit(seconds: int | None, text: str) -> None:
    assert containers.age_text(seconds) == text


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("pinnace-demo-c0ffee", _DEMO),
        ("c0ffee", _DEMO),
        ("demo-d", _DEMO_2),
        ("other", _OTHER),
        (_OTHER.id, _OTHER),
        (_OTHER.id[:30], _OTHER),
    ],
)
def test_a_name_may_be_any_part_that_fits_one(name: str, found: Container) -> None:
    assert containers.named(_ALL, name) == found


def test_a_whole_name_that_is_part_of_another_is_meant() -> None:
    longer = container("pinnace-demo-c0ffee-2")

    assert containers.named([longer, _DEMO], "pinnace-demo-c0ffee") == _DEMO


@pytest.mark.parametrize("name", ["demo", "pinnace-", "-"])
def test_an_ambiguous_name_lists_what_it_fits(name: str) -> None:
    with pytest.raises(AmbiguousNameError) as caught:
        containers.named(_ALL, name)

    assert caught.value.exit_code == 64
    assert {"pinnace-demo-c0ffee", "pinnace-demo-decade"} <= set(
        caught.value.hint.replace(",", "").split()
    )


@pytest.mark.parametrize("name", ["nobody", "", "C0FFEE"])
def test_a_name_that_nothing_has_is_missing(name: str) -> None:
    with pytest.raises(LaunchMissingError, match="no running launch") as caught:
        containers.named(_ALL, name)

    assert caught.value.exit_code == 66
    assert "pinnace-other-facade" in caught.value.hint


def test_without_a_name_the_only_one_of_the_project_is_meant() -> None:
    mine = containers.of_workspace(_ALL, "/srv/other")

    assert containers.only(mine, "/srv/other") == _OTHER
    with pytest.raises(LaunchMissingError):
        containers.only([], "/srv/other")
    with pytest.raises(AmbiguousNameError, match="2 launches"):
        containers.only([_DEMO, _DEMO_2], "/srv/demo")


@pytest.mark.parametrize("state", ["created", "exited", "dead", "removing", ""])
def test_what_has_ended_does_not_run(state: str) -> None:
    assert containers.running([container(state=state), _DEMO]) == [_DEMO]


@pytest.mark.parametrize(
    ("stdin_tty", "stdout_tty", "expected"),
    [
        (True, True, ["--interactive", "--tty", "--env=TERM"]),
        (True, False, []),
        (False, True, ["--interactive"]),
        (False, False, ["--interactive"]),
    ],
)
def test_a_command_gets_a_terminal_as_a_launch_does(
    *, stdin_tty: bool, stdout_tty: bool, expected: list[str]
) -> None:
    facts = hosts.linux(
        stdin_tty=stdin_tty, stdout_tty=stdout_tty, environment={"TERM": "x", "SECRET": "y"}
    )

    planned = containers.plan_execution(_DEMO, ("-x", "--", "a b", ""), facts)
    argv = Docker().exec_argv(planned)

    assert [a for a in argv[2:-5] if not a.startswith("--detach-keys=")] == expected
    assert argv[:2] == ["docker", "exec"]
    assert argv[-5:] == [_DEMO.id, "-x", "--", "a b", ""]


def test_ages_do_not_go_below_zero() -> None:
    assert container(created=NOW + timedelta(days=1)).age(NOW) == 0


def test_one_that_was_detached_a_moment_ago_is_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    answers = iter([[], [], [_DEMO]])
    monkeypatch.setattr(containers, "of_launches", lambda _: next(answers))
    job = Job(_DEMO.name, "/srv/demo", time.time(), terminal=False, form="text", version="9.9.9")
    held = jobs.begin(job)
    try:
        assert containers.started(Docker()) == [_DEMO]
    finally:
        os.close(held)


def test_one_that_was_detached_and_is_gone_is_not_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    monkeypatch.setattr(containers, "of_launches", lambda _: [])
    new = Job("pinnace-lost-1", "/srv/demo", time.time(), terminal=False, form="", version="9.9.9")
    os.close(jobs.begin(new))
    held = jobs.begin(new._replace(name="pinnace-long-2", begun=new.begun - 60))
    try:
        assert containers.started(Docker()) == []
    finally:
        os.close(held)
