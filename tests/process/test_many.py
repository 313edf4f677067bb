"""Many prompts at once: limits, shares of money, time for all, one that fails."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import anyio
import pytest

from pinnace.sdk.errors import BudgetError, UnfinishedError
from pinnace.sdk.many import Answer, Ask, Many, Seen, Totals, Watch, asks, share_of_memory
from pinnace.sdk.result import Outcome, Result
from pinnace_core.errors import ImageMissingError, UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping

pytestmark = pytest.mark.parametrize("backend", ["asyncio", "trio"])


def answered(text: str = "", cost: float | None = 0.0) -> Result[Any]:
    return Result(
        text=text,
        data=None,
        outcome=Outcome.COMPLETED,
        session_id="",
        exit_code=0,
        cost_usd=cost,
    )


class Calls:
    """Stand in for a box: note how many calls run at once, and what they may cost."""

    def __init__(self, limit: int, cost: float = 0.0) -> None:
        self.running = self.most = 0
        self.budgets: list[float | None] = []
        self._limit, self._cost = limit, cost

    async def __call__(self, ask: Ask, options: Mapping[str, Any], _: Seen) -> Result[Any]:
        self.running += 1
        self.most = max(self.most, self.running)
        self.budgets.append(options.get("budget_usd"))
        try:
            for _turn in range(20):
                await anyio.lowlevel.checkpoint()
            if ask.prompt == "fail":
                raise ImageMissingError("there is none")
            if ask.prompt == "dear":
                raise BudgetError("spent", result=answered(cost=options["budget_usd"]))
            if ask.prompt == "slow":
                await anyio.sleep_forever()
        finally:
            self.running -= 1
        return answered(str(ask.prompt).upper(), self._cost)


def done(backend: str, many: Many) -> list[Answer]:
    return anyio.run(many.run, backend=backend)


class Heard(Watch):
    def __init__(self) -> None:
        self.ends: list[int] = []

    def ended(self, answer: Answer) -> None:
        self.ends.append(answer.index)


def test_all_are_answered_in_their_order_and_no_more_at_once_than_may(backend: str) -> None:
    calls, heard = Calls(3), Heard()
    words = [f"word {number}" for number in range(20)]

    found = done(backend, Many(asks(words, {}), calls, Totals(3), heard))

    assert [one.result.text for one in found if one.result] == [word.upper() for word in words]
    assert calls.most == 3
    assert sorted(heard.ends) == list(range(20))


def test_one_that_fails_harms_no_other(backend: str) -> None:
    found = done(backend, Many(asks(["a", "fail", "b"], {}), Calls(1), Totals(1), Watch()))

    assert [one.ok for one in found] == [True, False, True]
    assert isinstance(found[1].error, ImageMissingError)
    assert found[1].result is None


def test_money_is_shared_and_never_more_than_there_is(backend: str) -> None:
    calls = Calls(4, cost=0.25)
    found = done(backend, Many(asks(["x"] * 12, {}), calls, Totals(4, usd=2.0), Watch()))

    spent = sum(one.result.cost_usd or 0 for one in found if one.result)
    assert spent == pytest.approx(2.0)
    assert calls.budgets[:4] == [0.5] * 4
    assert [type(one.error) for one in found if not one.ok] == [UnfinishedError] * 4


def test_money_that_nobody_told_of_counts_as_spent(backend: str) -> None:
    async def silent(_: Ask, options: Mapping[str, Any], __: Seen) -> Result[Any]:
        assert options["budget_usd"] <= 1
        return answered(cost=None)

    found = done(backend, Many(asks(["x"] * 3, {}), silent, Totals(1, usd=1.0), Watch()))

    assert [one.ok for one in found] == [True, False, False]


def test_a_budget_of_one_alone_is_kept(backend: str) -> None:
    calls = Calls(1)
    todo = asks([Ask("x", options={"budget_usd": 0.1}), "dear"], {"budget_usd": 0.2})
    found = done(backend, Many(todo, calls, Totals(1, usd=10.0), Watch()))

    assert calls.budgets == [0.1, 0.2]
    assert found[1].result is not None


def test_a_budget_below_a_cent_is_kept(backend: str) -> None:
    calls = Calls(1)
    todo = asks(["x"], {"budget_usd": 0.005})
    done(backend, Many(todo, calls, Totals(1, usd=10.0), Watch()))

    assert calls.budgets == [0.005]


def test_what_runs_when_the_time_is_over_is_ended(backend: str) -> None:
    calls = Calls(2)
    todo = asks(["quick", "slow", "quick", "slow"], {})
    found = done(backend, Many(todo, calls, Totals(2, seconds=0.2), Watch()))

    assert [one.ok for one in found] == [True, False, True, False]
    assert calls.running == 0


def test_what_fails_in_who_watches_is_told_as_it_is(backend: str) -> None:
    class Broken(Watch):
        def ended(self, answer: Answer) -> None:
            raise UsageError(f"no more than {answer.index}", hint="")

    with pytest.raises(UsageError):
        done(backend, Many(asks(["a", "b"], {}), Calls(2), Totals(2), Broken()))


@pytest.mark.parametrize("values", [{"limit": 0}, {"usd": 0.0}, {"seconds": -1.0}])
def test_totals_make_sense(backend: str, values: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        Totals(**values)
    assert backend


def test_options_are_looked_at_before_anything_starts(backend: str) -> None:
    with pytest.raises(TypeError, match="perhaps you meant 'model'"):
        asks([Ask("x", options={"modle": "opus"})], {})
    with pytest.raises(UsageError):
        asks(["x"], {"max_turns": "three"})
    assert asks(["x"], {"timeout": 3})[0].options == {"timeout": 3}, backend


def test_memory_is_shared(backend: str) -> None:
    assert share_of_memory("16g", 4) == f"{4 << 30}b", backend
    for wrong in ("1g", "much"):
        with pytest.raises(UsageError):
            share_of_memory(wrong, 4)
