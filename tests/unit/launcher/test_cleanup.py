"""What of a launcher's leftovers goes."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pinnace.cleanup.plan import Entry, Snapshot, plan
from tests.support import hosts
from tests.support.containers import NOW, container

if TYPE_CHECKING:
    from pinnace.launch.containers import Container
    from pinnace.launch.owner import State

_NAME = "pinnace-demo-c0ffee"


def _entry(name: str, *, days: float = 0) -> Entry:
    path = Path("/state") / name
    return Entry(path, name, size=10, modified=NOW - timedelta(days=days))


def _goes(snapshot: Snapshot) -> list[str]:
    return [item.what for item in plan(snapshot)]


def _with(one: Container, launcher: State) -> Snapshot:
    return Snapshot(NOW, containers=[one], launchers={one.id: launcher})


@pytest.mark.parametrize(
    ("state", "launcher", "days", "goes"),
    [
        ("running", "alive", 400, False),
        ("running", "gone", 0, True),
        ("paused", "gone", 0, True),
        ("running", "unknown", 400, False),
        ("exited", "alive", 400, False),
        ("exited", "gone", 0, True),
        ("created", "unknown", 0.5, False),
        ("created", "unknown", 2, True),
        ("exited", "unknown", 2, True),
    ],
)
def test_a_container_goes_if_nobody_can_come_back_to_it(
    state: str, launcher: State, days: float, *, goes: bool
) -> None:
    one = container(state=state, created=NOW - timedelta(days=days))

    assert _goes(_with(one, launcher)) == ([_NAME] if goes else [])


@pytest.mark.parametrize(
    ("launcher", "goes"), [("alive", False), ("gone", True), ("unknown", False)]
)
def test_a_network_goes_with_its_launcher_after_its_relay(launcher: State, *, goes: bool) -> None:
    relay = container(f"{_NAME}-relay")
    snapshot = Snapshot(
        NOW, launchers={relay.id: launcher}, relays=[relay], networks=[(_NAME, launcher)]
    )

    assert _goes(snapshot) == ([relay.name, _NAME] if goes else [])


def test_a_container_whose_age_is_unknown_stays() -> None:
    one = container(state="exited").__class__("1", "x", {}, "exited", None)

    assert _goes(_with(one, "unknown")) == []


@pytest.mark.parametrize(("minutes", "goes"), [(50, False), (70, True)])
@pytest.mark.parametrize("state", ["running", "created", "exited"])
def test_a_container_of_a_verification_goes_after_an_hour(
    state: str, minutes: int, *, goes: bool
) -> None:
    one = container(_NAME, state=state, created=NOW - timedelta(minutes=minutes))

    assert _goes(Snapshot(NOW, checks=[one])) == ([_NAME] if goes else [])


@pytest.mark.parametrize(
    ("launcher", "days", "goes"),
    [("alive", 9, False), ("gone", 0, True), ("unknown", 0.5, False), ("unknown", 2, True)],
)
def test_a_record_goes_with_its_launcher(launcher: State, days: float, *, goes: bool) -> None:
    snapshot = Snapshot(NOW, runs=[(_entry(f"runs/{_NAME}", days=days), launcher)])

    assert _goes(snapshot) == ([f"runs/{_NAME}"] if goes else [])


def test_a_record_stays_as_long_as_its_container() -> None:
    one = container()
    runs = [(_entry(f"runs/{_NAME}", days=2), "unknown")]

    stays = Snapshot(NOW, containers=[one], launchers={one.id: "unknown"}, runs=runs)  # type: ignore[arg-type]
    goes = Snapshot(NOW, containers=[one], launchers={one.id: "gone"}, runs=runs)  # type: ignore[arg-type]

    assert _goes(stays) == []
    assert _goes(goes) == [_NAME, f"runs/{_NAME}"]


def test_files_of_a_launch_go_only_without_it() -> None:
    files = [_entry(f"runs/{_NAME}.files", days=2), _entry("runs/pinnace-x-1.files", days=2)]
    fresh = _entry("runs/pinnace-y-1.files")
    one = container()

    snapshot = Snapshot(
        NOW, containers=[one], launchers={one.id: "alive"}, run_files=[*files, fresh]
    )

    assert _goes(snapshot) == ["runs/pinnace-x-1.files"]


def test_a_verification_goes_with_its_image() -> None:
    there, gone = hosts.IMAGE_ID, f"sha256:{'0' * 64}"
    records = [_entry(f"verified/{i.replace(':', '-')}") for i in (there, gone)]

    snapshot = Snapshot(NOW, images=frozenset({there}), records=records)

    assert _goes(snapshot) == [f"verified/sha256-{'0' * 64}"]


def test_names_of_users_go_unless_they_are_in_use_ones_own_or_young() -> None:
    users = [_entry(f"users/{n}", days=9) for n in ("1000-1000", "54321-65000", "7-7")]
    mounted = container(mounts=("/state/users/7-7/passwd",))

    snapshot = Snapshot(
        NOW,
        containers=[mounted],
        launchers={mounted.id: "alive"},
        users=[*users, _entry("users/8-8")],
        uid=1000,
    )

    assert _goes(snapshot) == ["users/54321-65000"]


def test_unfinished_files_go_after_a_day() -> None:
    unfinished = [_entry("verified/.a.1.tmp", days=2), _entry("verified/.b.2.tmp")]

    assert _goes(Snapshot(NOW, unfinished=unfinished)) == ["verified/.a.1.tmp"]


@pytest.mark.parametrize(("minutes", "goes"), [(59, False), (61, True)])
def test_what_waited_for_a_launch_goes_after_an_hour_with_its_record(
    minutes: int, *, goes: bool
) -> None:
    one = container(_NAME, created=NOW - timedelta(minutes=minutes))
    record = _entry("standby/a.json", days=minutes / (24 * 60))

    found = _goes(Snapshot(NOW, waiting=[one], shelved=[record]))

    assert found == ([_NAME, "standby/a.json"] if goes else [])


def test_a_home_that_no_launch_came_back_to_goes_after_a_week() -> None:
    homes = [_entry("homes/a", days=8), _entry("homes/b", days=6)]

    assert _goes(Snapshot(NOW, homes=homes)) == ["homes/a"]


def test_what_is_known_about_a_project_goes_a_week_after_it() -> None:
    forgotten = [_entry("review/a-1", days=8), _entry("review/b-2", days=2)]

    assert _goes(Snapshot(NOW, forgotten=forgotten)) == ["review/a-1"]


def test_of_gateways_keys_go_at_once_and_logs_after_a_week() -> None:
    logs = [_entry("network/a", days=8), _entry("network/b", days=2)]
    there = Snapshot(NOW, logs=logs, keys=[_entry("gateway/c")])

    assert _goes(there) == ["gateway/c", "network/a"]
