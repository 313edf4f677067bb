"""Launch Claude Code in a container image that matches a project's pinned CLI version.

For programs: `Pinnace`, and `pinnace.sync` for those without an event loop; see docs/sdk.md. What
is not used is not imported: a launch from the command line pays for none of it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pinnace import errors, events
    from pinnace.prompts import Prompt
    from pinnace.sdk import sync
    from pinnace.sdk.box import Pinnace
    from pinnace.sdk.control import Allow, Deny, Hook, ToolUseRequest
    from pinnace.sdk.conversation import (
        AssistantEvent,
        InitEvent,
        ResultEvent,
        StreamEvent,
        UserEvent,
    )
    from pinnace.sdk.detached import Detached
    from pinnace.sdk.dry_run import DryRun
    from pinnace.sdk.errors import (
        ApiFailedError,
        BudgetError,
        ClaudeError,
        ClaudeFailedError,
        ControlError,
        KilledError,
        MalformedEventError,
        MaxTurnsError,
        NoResultError,
        OutputInvalidError,
        TimedOutError,
        UnfinishedError,
    )
    from pinnace.sdk.event import Event, UnknownEvent
    from pinnace.sdk.isolation import Isolation, Limits
    from pinnace.sdk.many import Answer, Ask, Watch
    from pinnace.sdk.options import Options
    from pinnace.sdk.result import Outcome, Result
    from pinnace.sdk.session import Session
    from pinnace.sdk.stream import Stream
    from pinnace.sdk.tools import Tool, tool
    from pinnace_core.errors import PinnaceError

__all__ = [
    "Allow",
    "Answer",
    "ApiFailedError",
    "Ask",
    "AssistantEvent",
    "BudgetError",
    "ClaudeError",
    "ClaudeFailedError",
    "ControlError",
    "Deny",
    "Detached",
    "DryRun",
    "Event",
    "Hook",
    "InitEvent",
    "Isolation",
    "KilledError",
    "Limits",
    "MalformedEventError",
    "MaxTurnsError",
    "NoResultError",
    "Options",
    "Outcome",
    "OutputInvalidError",
    "Pinnace",
    "PinnaceError",
    "Prompt",
    "Result",
    "ResultEvent",
    "Session",
    "Stream",
    "StreamEvent",
    "TimedOutError",
    "Tool",
    "ToolUseRequest",
    "UnfinishedError",
    "UnknownEvent",
    "UserEvent",
    "Watch",
    "errors",
    "events",
    "sync",
    "tool",
]
_MODULES = {
    "pinnace.prompts": ("Prompt",),
    "pinnace.sdk.box": ("Pinnace",),
    "pinnace.sdk.isolation": ("Isolation", "Limits"),
    "pinnace.sdk.control": ("Allow", "Deny", "Hook", "ToolUseRequest"),
    "pinnace.sdk.dry_run": ("DryRun",),
    "pinnace.sdk.detached": ("Detached",),
    "pinnace.sdk.event": ("Event", "UnknownEvent"),
    "pinnace.sdk.many": ("Answer", "Ask", "Watch"),
    "pinnace.sdk.options": ("Options",),
    "pinnace.sdk.result": ("Outcome", "Result"),
    "pinnace.sdk.session": ("Session",),
    "pinnace.sdk.stream": ("Stream",),
    "pinnace.sdk.tools": ("Tool", "tool"),
    "pinnace_core.errors": ("PinnaceError",),
}


def __getattr__(name: str) -> object:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    if name in {"errors", "events"}:
        return import_module(f"{__name__}.{name}")
    if name == "sync":
        return import_module("pinnace.sdk.sync")
    own = "conversation" if name.endswith("Event") else "errors"
    found = (module for module, names in _MODULES.items() if name in names)
    return getattr(import_module(next(found, f"pinnace.sdk.{own}")), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
