"""Events beside the conversation: hooks, tasks, limits, and what the CLI tells of itself.

Types and subtypes as of Claude Code 2.1.332.
"""

from __future__ import annotations

from typing import Any

import msgspec

from pinnace.sdk.event import Event


class StatusEvent(Event, frozen=True, kw_only=True):
    """What the CLI is doing: compacting, requesting; None: nothing of the kind any more."""

    status: str | None = None
    permission_mode: str | None = msgspec.field(default=None, name="permissionMode")
    compact_result: str | None = None
    compact_error: str | None = None


class CompactBoundaryEvent(Event, frozen=True, kw_only=True):
    """The conversation up to here was replaced by a summary."""

    compact_metadata: dict[str, Any] = msgspec.field(default_factory=dict)


class ConversationResetEvent(Event, frozen=True, kw_only=True):
    """The conversation was replaced by an empty one, and its costs start at nothing."""

    new_conversation_id: str = ""
    trigger: str | None = None


class HookEvent(Event, frozen=True, kw_only=True):
    """Base of the events about a hook."""

    hook_id: str = ""
    hook_name: str = ""
    hook_event: str = ""


class HookStartedEvent(HookEvent, frozen=True, kw_only=True):
    """A hook was started."""


class HookProgressEvent(HookEvent, frozen=True, kw_only=True):
    """A hook wrote something."""

    stdout: str = ""
    stderr: str = ""
    output: str = ""


class HookResponseEvent(HookEvent, frozen=True, kw_only=True):
    """A hook is done."""

    stdout: str = ""
    stderr: str = ""
    output: str = ""
    exit_code: int | None = None
    outcome: str = ""


class TaskEvent(Event, frozen=True, kw_only=True):
    """Base of the events about a task in the background, or an agent."""

    task_id: str = ""
    tool_use_id: str | None = None
    description: str = ""


class TaskStartedEvent(TaskEvent, frozen=True, kw_only=True):
    """A task was started."""

    task_type: str | None = None
    subagent_type: str | None = None
    prompt: str | None = None
    parent_task_id: str | None = None


class TaskProgressEvent(TaskEvent, frozen=True, kw_only=True):
    """A task gets on."""

    usage: dict[str, Any] | None = None
    last_tool_name: str | None = None
    summary: str | None = None


class TaskUpdatedEvent(TaskEvent, frozen=True, kw_only=True):
    """A task's state changed; some end with this only.

    Attributes:
        patch: what changed.
    """

    patch: dict[str, Any] = msgspec.field(default_factory=dict)

    @property
    def status(self) -> str | None:
        """The new state, if that changed."""
        status = self.patch.get("status")
        return status if isinstance(status, str) else None


class TaskNotificationEvent(TaskEvent, frozen=True, kw_only=True):
    """A task is over."""

    status: str = ""
    output_file: str = ""
    summary: str = ""
    usage: dict[str, Any] | None = None


class BackgroundTasksChangedEvent(Event, frozen=True, kw_only=True):
    """These tasks run in the background now."""

    tasks: tuple[dict[str, Any], ...] = ()


class RateLimitInfo(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A limit of the account, and how much of it is used."""

    status: str = ""
    resets_at: float | None = None
    rate_limit_type: str | None = None
    utilization: float | None = None
    overage_status: str | None = None
    overage_resets_at: float | None = None
    overage_disabled_reason: str | None = None


class RateLimitEvent(Event, frozen=True, kw_only=True):
    """A limit of the account comes nearer, or is reached."""

    rate_limit_info: RateLimitInfo = RateLimitInfo()


class ApiRetryEvent(Event, frozen=True, kw_only=True):
    """A request to the API failed, and is tried again."""

    attempt: int = 0
    max_retries: int = 0
    retry_delay_ms: float = 0.0
    error_status: int | None = None
    error: str = ""


class PermissionDeniedEvent(Event, frozen=True, kw_only=True):
    """A call of a tool was not allowed."""

    tool_name: str = ""
    tool_use_id: str = ""
    message: str = ""
    decision_reason_type: str | None = None
    decision_reason: str | None = None


class ToolProgressEvent(Event, frozen=True, kw_only=True):
    """A tool still runs."""

    tool_use_id: str = ""
    tool_name: str = ""
    parent_tool_use_id: str | None = None
    elapsed_time_seconds: float = 0.0
    task_id: str | None = None


class ToolUseSummaryEvent(Event, frozen=True, kw_only=True):
    """What some calls of tools amounted to, in words."""

    summary: str = ""
    preceding_tool_use_ids: tuple[str, ...] = ()


class InformationalEvent(Event, frozen=True, kw_only=True):
    """The CLI tells something."""

    content: str = ""
    level: str = ""
    tool_use_id: str | None = None
    prevent_continuation: bool = False


class NotificationEvent(Event, frozen=True, kw_only=True):
    """The CLI would show this for a while."""

    key: str = ""
    text: str = ""
    priority: str = ""


class LocalCommandOutputEvent(Event, frozen=True, kw_only=True):
    """What a slash command wrote that the CLI carries out itself."""

    content: str = ""


class AuthStatusEvent(Event, frozen=True, kw_only=True):
    """A login is under way."""

    is_authenticating: bool = msgspec.field(default=False, name="isAuthenticating")
    output: tuple[str, ...] = ()
    error: str | None = None


class SessionStateEvent(Event, frozen=True, kw_only=True):
    """The session is idle, runs, or waits for an answer."""

    state: str = ""


class SessionWritesLostEvent(Event, frozen=True, kw_only=True):
    """The session could not be written: the disk is full."""

    error_code: str = ""
    lost: tuple[str, ...] = ()


class ModelRefusalEvent(Event, frozen=True, kw_only=True):
    """A model refused; another may have taken over."""

    original_model: str = ""
    fallback_model: str | None = None
    direction: str | None = None
    content: str = ""
    api_refusal_category: str | None = None


class PromptSuggestionEvent(Event, frozen=True, kw_only=True):
    """What one might ask next."""

    suggestion: str = ""


class MirrorErrorEvent(Event, frozen=True, kw_only=True):
    """What was to be copied to the program's store of sessions is not there."""

    error: str = ""
    key: dict[str, Any] | None = None


class NewsEvent(Event, frozen=True, kw_only=True):
    """Something of which `raw` tells: rare, and of no use without knowing the CLI well."""
