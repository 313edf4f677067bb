"""Whether something goes on behind a conversation: then Claude's input stays open."""

from __future__ import annotations

import json
from typing import Any

import pytest

from pinnace.sdk.background import Background
from pinnace.sdk.events import decode_event


def _after(*events: dict[str, Any]) -> bool:
    background = Background()
    for event in events:
        background.add(decode_event(json.dumps({"type": "system", **event}).encode()))
    return background.is_busy


def _started(kind: str) -> dict[str, Any]:
    return {"subtype": "task_started", "task_id": "a", "task_type": kind}


_STATE = {"subtype": "session_state_changed", "state": "running"}


@pytest.mark.parametrize(
    "end",
    [
        {"subtype": "task_notification", "task_id": "a", "status": "completed"},
        {"subtype": "task_updated", "task_id": "a", "patch": {"status": "killed"}},
    ],
)
def test_an_agent_works_until_its_end_is_told(end: dict[str, Any]) -> None:
    assert _after(_started("local_agent"))
    assert _after(_started("local_agent"), {**end, "task_id": "b"})
    assert not _after(_started("local_agent"), end)


def test_a_shell_that_may_never_end_is_not_waited_for() -> None:
    assert not _after(_started("local_bash"))


def test_a_cli_that_says_its_state_is_believed() -> None:
    assert not _after()
    assert _after(_STATE)
    assert not _after(_STATE, {**_STATE, "state": "idle"})
    assert _after(_started("local_agent"), _STATE, {**_STATE, "state": "idle"})
