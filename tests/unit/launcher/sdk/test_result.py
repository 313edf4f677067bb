"""What came of a run: every way in which runs of the real CLI end, and those of processes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pinnace.sdk import errors
from pinnace.sdk.decode import EventDecoder
from pinnace.sdk.outcomes import checked, error_of
from pinnace.sdk.result import OF_THE_CALLER, Ended, Gathered, Outcome, Result, result_of

STREAMS = Path(__file__).parent / "streams"
ASKS = (
    b'{"type":"assistant","session_id":"s","message":{"content":[{"type":"text","text":" a "}]}}\n'
)
ANSWERS = (
    b'{"type":"result","subtype":"success","is_error":false,"result":" yes\\n","session_id":"s"}\n'
)


def came_of(data: bytes, *, keep: bool = False, **ended: Any) -> Result[None]:
    decoder = EventDecoder()
    decoder.feed(data)
    decoder.finish()
    gathered = Gathered(keep=keep)
    for event in decoder:
        gathered.add(event)
    return result_of(gathered, Ended(**({"exit_code": 0} | ended)), None)


@pytest.mark.parametrize(
    ("name", "exit_code", "outcome", "kind"),
    [
        ("1.0.128-tools", 0, Outcome.COMPLETED, None),
        ("1.0.128-max-turns", 0, Outcome.MAX_TURNS, errors.MaxTurnsError),
        ("1.0.128-api-error", 1, Outcome.API_FAILED, errors.ApiFailedError),
        ("2.1.116-budget", 1, Outcome.BUDGET, errors.BudgetError),
        ("2.1.116-schema-bad", 1, Outcome.OUTPUT_INVALID, errors.OutputInvalidError),
        ("2.1.330-tools", 0, Outcome.COMPLETED, None),
        ("2.1.330-denied", 0, Outcome.COMPLETED, None),
        ("2.1.330-max-turns", 1, Outcome.MAX_TURNS, errors.MaxTurnsError),
        ("2.1.330-api-error", 1, Outcome.API_FAILED, errors.ApiFailedError),
        ("2.1.330-budget", 1, Outcome.BUDGET, errors.BudgetError),
        ("2.1.330-schema-bad", 1, Outcome.OUTPUT_INVALID, errors.OutputInvalidError),
        ("2.1.330-no-session", 1, Outcome.FAILED, errors.ClaudeFailedError),
    ],
)
def test_each_end_of_the_real_cli_is_told_apart(
    name: str, exit_code: int, outcome: Outcome, kind: type[errors.ClaudeError] | None
) -> None:
    result = came_of((STREAMS / f"{name}.jsonl").read_bytes(), exit_code=exit_code)
    assert result.outcome is outcome
    assert result.session_id
    if kind is None:
        assert checked(result) is result
        return
    with pytest.raises(kind) as caught:
        checked(result)
    assert caught.value.result is result
    assert caught.value.hint


def test_what_the_cli_says_of_a_run_is_in_its_result() -> None:
    result = came_of((STREAMS / "2.1.330-denied.jsonl").read_bytes(), keep=True, duration=1.5)
    assert (result.text, result.ok, result.turns, result.exit_code) == ("ok", True, 2, 0)
    assert (result.cli_version, result.terminal_reason) == ("2.1.330", "completed")
    assert result.cost_usd == pytest.approx(0.00028)
    assert result.usage.input_tokens == 20
    assert result.model_usage["claude-opus-5-5"].cost_usd == pytest.approx(0.00028)
    assert [denial.tool_name for denial in result.permission_denials] == ["Write"]
    assert [event.name for event in result.events][::5] == ["system/init", "result/success"]


def test_the_answer_is_kept_to_the_last_space() -> None:
    assert came_of(ASKS + ANSWERS).text == " yes\n"


def test_what_an_agent_says_is_not_taken_for_claudes_own_words() -> None:
    agent = ASKS.replace(b'"session_id"', b'"parent_tool_use_id":"t","session_id"')
    assert came_of(ASKS + agent.replace(b" a ", b"inner"), exit_code=1).text == " a "


@pytest.mark.parametrize(
    ("data", "ended", "outcome"),
    [
        (ANSWERS, {}, Outcome.COMPLETED),
        # The answer came; how the process then went does not take it back.
        (ANSWERS, {"exit_code": 137, "stopped": True}, Outcome.COMPLETED),
        (ANSWERS, {"exit_code": 137, "timed_out": True}, Outcome.COMPLETED),
        # A later turn was not answered.
        (ANSWERS + ASKS, {"exit_code": 137}, Outcome.KILLED),
        (ANSWERS, {"exit_code": 137, "awaited": True}, Outcome.KILLED),
        (ANSWERS + ASKS, {"exit_code": 143, "timed_out": True}, Outcome.TIMED_OUT),
        (ASKS, {"exit_code": 143, "stopped": True}, Outcome.STOPPED),
        (ASKS, {"exit_code": 0}, Outcome.NO_RESULT),
        (b"", {"exit_code": 0}, Outcome.NO_RESULT),
        (b"", {"exit_code": 1, "stderr_tail": "unknown option"}, Outcome.FAILED),
        (ASKS, {"exit_code": 130}, Outcome.KILLED),
    ],
)
def test_each_end_of_the_process_is_told_apart(
    data: bytes, ended: dict[str, Any], outcome: Outcome
) -> None:
    assert came_of(data, **ended).outcome is outcome


@pytest.mark.parametrize(
    ("more", "outcome"),
    [
        (b'"subtype":"error_during_execution","is_error":false', Outcome.FAILED),
        (
            (
                b'"subtype":"error_during_execution","is_error":true,'
                b'"terminal_reason":"aborted_streaming"'
            ),
            Outcome.INTERRUPTED,
        ),
        (
            (
                b'"subtype":"success","is_error":false,"terminal_reason":"tool_deferred",'
                b'"deferred_tool_use":{"id":"1","name":"Bash","input":{}}'
            ),
            Outcome.DEFERRED,
        ),
        (b'"subtype":"success","is_error":true', Outcome.FAILED),
        (b'"subtype":"success","is_error":true,"api_error_status":529', Outcome.API_FAILED),
        (b'"subtype":"error_of_a_new_kind","is_error":false', Outcome.FAILED),
    ],
)
def test_a_result_is_told_by_all_that_it_says(more: bytes, outcome: Outcome) -> None:
    assert came_of(b'{"type":"result",%s}' % more).outcome is outcome


def test_every_outcome_that_is_not_the_callers_is_an_error_with_a_hint() -> None:
    result = came_of(ASKS, exit_code=137, stderr_tail="it said\n  this")
    for outcome in set(Outcome) - OF_THE_CALLER:
        changed = Result(text="", data=None, outcome=outcome, session_id="", exit_code=137)
        error = error_of(changed)
        assert error.hint
        assert error.result is changed
    assert "SIGKILL, exit code 137" in error_of(result).message
    failed = came_of(b"", exit_code=1, stderr_tail="unknown\noption")
    assert error_of(failed).message == "Claude ended with an error: unknown option"
    assert "exit code 3" in error_of(came_of(b"", exit_code=3)).message
