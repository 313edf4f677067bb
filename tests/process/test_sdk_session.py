"""A program's session with a store of its own: every kind of call knows it."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import anyio
import pytest
from claude_agent_sdk import InMemorySessionStore

from pinnace import Pinnace
from pinnace.sdk import terminal
from pinnace_core.errors import UsageError

if TYPE_CHECKING:
    from tests.process.conftest import Machine

_ID = "11111111-1111-4111-8111-111111111111"


class Noting(InMemorySessionStore):
    """Note what is asked."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[str] = []

    async def load(self, key: Any) -> Any:
        self.asked.append("load")
        return await super().load(key)

    async def list_sessions(self, project_key: str) -> Any:
        self.asked.append("list")
        return await super().list_sessions(project_key)


@pytest.fixture
def box(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> Pinnace:
    for name, value in machine.environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(machine.project)
    return Pinnace(machine.project)


def test_a_detached_launch_takes_no_store_that_dies_with_the_program(box: Pinnace) -> None:
    store = Noting()
    with pytest.raises(UsageError, match="nobody would bring"):
        anyio.run(box.session(_ID, store=store).detached, "hello")
    assert store.asked == []


def test_a_terminals_session_is_fetched_before_and_kept_after(
    box: Pinnace, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = Noting()

    async def run(*_: object) -> int:
        assert store.asked
        store.asked.clear()
        return 7

    monkeypatch.setattr(terminal, "require_terminal", lambda: None)
    monkeypatch.setattr(terminal, "run", run)
    session = box.session(_ID, store=store)
    assert anyio.run(partial(session.interactive, "hello")) == 7
    assert store.asked == ["list"]
