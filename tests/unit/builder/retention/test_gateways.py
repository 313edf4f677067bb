"""Which gateway images go from the engine."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Final

import pytest

from pinnace_builder.retention.images import LocalImage, plan_gateways
from pinnace_builder.retention.policy import Policy
from pinnace_images import contract
from tests.support.repositories import NOW

if TYPE_CHECKING:
    from pinnace_builder.retention.policy import Plan

_REPOSITORY: Final = "test/gateway"


def _image(build: str, *, current: bool = False, age: float = 0) -> LocalImage:
    names = (f"{_REPOSITORY}:{build * 12}", *([f"{_REPOSITORY}:local"] if current else []))
    return LocalImage(
        id=f"sha256:{build * 64}",
        names=names,
        labels={contract.LABEL_GATEWAY: "1", contract.LABEL_BUILD_ID: build * 64},
        tagged=NOW - timedelta(days=age),
        size=100,
    )


def _plan(*images: LocalImage) -> Plan:
    return plan_gateways(images, _REPOSITORY, Policy(10, 90, (), NOW))


def _tags(plan: Plan) -> list[str]:
    return [item.what.removeprefix(f"{_REPOSITORY}:") for item in plan.gone]


def test_a_superseded_one_goes_however_young_and_the_current_one_stays_however_old() -> None:
    plan = _plan(_image("a"), _image("b", current=True, age=900))

    assert _tags(plan) == ["a" * 12]
    assert (plan.gone[0].size, plan.gone[0].id) == (100, f"sha256:{'a' * 64}")
    assert {item.why for item in plan.kept} == {"the current one"}


def test_one_that_a_container_was_made_from_stays() -> None:
    plan = _plan(replace(_image("a"), container="busy_bee"), _image("b", current=True))

    assert plan.gone == ()
    assert any("busy_bee" in item.why for item in plan.kept)


def test_one_that_nothing_supersedes_stays() -> None:
    assert {item.why for item in _plan(_image("a")).kept} == {"nothing supersedes it"}


@pytest.mark.parametrize(("age", "goes"), [(0.9, False), (1.1, True)])
def test_what_an_interrupted_build_left_goes_after_a_day(age: float, *, goes: bool) -> None:
    left = replace(_image("a", age=age), names=(f"{_REPOSITORY}:building-0123456789ab",))

    assert (_tags(_plan(left)) == ["building-0123456789ab"]) is goes


@pytest.mark.parametrize("name", [f"{_REPOSITORY}:mine", f"{_REPOSITORY}:{'c' * 12}"])
def test_a_name_of_somebodys_own_stays(name: str) -> None:
    own = replace(_image("a"), names=(name,))

    assert {one.why for one in _plan(own, _image("b", current=True)).kept} == {
        "a name of your own",
        "the current one",
    }


def test_what_is_no_gateway_and_what_is_elsewhere_stays() -> None:
    other = replace(_image("a"), labels={contract.LABEL_BUILD_ID: "a" * 64})
    elsewhere = replace(_image("c"), names=(f"x/{_REPOSITORY}:{'c' * 12}",))

    assert _plan(other, elsewhere, _image("b", current=True)).gone == ()
