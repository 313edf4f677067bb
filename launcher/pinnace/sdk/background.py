"""Whether anything goes on behind a conversation that may still ask the program something.

A result ends a turn, not all that the turn began: agents in the background work on, and what they
come to wakes Claude for another turn. If its input were closed before, hooks, permissions and tools
of the program's would fail from then on. Newer CLIs say when they are idle, if they are asked to
(`SAYS_STATE`); of older ones, only the tasks are known.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pinnace.sdk.happenings import (
    SessionStateEvent,
    TaskNotificationEvent,
    TaskStartedEvent,
    TaskUpdatedEvent,
)

if TYPE_CHECKING:
    from pinnace.sdk.event import Event

SAYS_STATE: Final = {"CLAUDE_CODE_SDK_READS_SESSION_STATE": "1"}
"""The variable that has the CLI say whether it is idle."""
CEILING_SECONDS: Final = 600.0
"""How long nothing may be heard of it: as long as the CLI itself waits (its default)."""
# A shell in the background may never end; these do, and wake Claude.
_AGENTS: Final = frozenset({"local_agent", "local_workflow"})
_OVER: Final = frozenset({"completed", "failed", "killed", "stopped"})


class Background:
    """What is known of it, event by event."""

    def __init__(self) -> None:
        """Begin with nothing."""
        self._tasks: set[str] = set()
        self._state = ""

    @property
    def is_busy(self) -> bool:
        """Whether an agent works, or Claude says that it is not idle."""
        return bool(self._tasks) or self._state not in {"", "idle"}

    def add(self, event: Event) -> None:
        """Take the next event."""
        match event:
            case SessionStateEvent():
                self._state = event.state
            case TaskStartedEvent() if event.task_type in _AGENTS:
                self._tasks.add(event.task_id)
            case TaskNotificationEvent():
                self._tasks.discard(event.task_id)
            case TaskUpdatedEvent() if event.status in _OVER:
                self._tasks.discard(event.task_id)
            case _:
                pass
