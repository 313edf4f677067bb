"""A line that Claude wrote (`--output-format stream-json`) to a typed event.

    match decode_event(line):
        case AssistantEvent(text=text): ...
        case UnknownEvent() as event: event.raw

Whatever is a JSON object comes through: types, subtypes and blocks of a newer version as
`UnknownEvent` and `UnknownBlock`, a field of another type than expected as empty (`misfits` names
it). What is none is a `MalformedEventError`.
"""

from __future__ import annotations

from typing import Final

import msgspec

from pinnace.sdk import conversation, happenings
from pinnace.sdk.event import Event, unknown
from pinnace.sdk.json_text import loads, too_deep
from pinnace.sdk.loosely import fit

# Those of type `system`, by their subtype.
_SYSTEM: Final[dict[str, type[Event]]] = {
    "init": conversation.InitEvent,
    "status": happenings.StatusEvent,
    "compact_boundary": happenings.CompactBoundaryEvent,
    "hook_started": happenings.HookStartedEvent,
    "hook_progress": happenings.HookProgressEvent,
    "hook_response": happenings.HookResponseEvent,
    "task_started": happenings.TaskStartedEvent,
    "task_progress": happenings.TaskProgressEvent,
    "task_updated": happenings.TaskUpdatedEvent,
    "task_notification": happenings.TaskNotificationEvent,
    "background_tasks_changed": happenings.BackgroundTasksChangedEvent,
    "api_retry": happenings.ApiRetryEvent,
    "permission_denied": happenings.PermissionDeniedEvent,
    "informational": happenings.InformationalEvent,
    "notification": happenings.NotificationEvent,
    "local_command_output": happenings.LocalCommandOutputEvent,
    "session_state_changed": happenings.SessionStateEvent,
    "session_writes_lost": happenings.SessionWritesLostEvent,
    "model_refusal_fallback": happenings.ModelRefusalEvent,
    "model_refusal_no_fallback": happenings.ModelRefusalEvent,
    "mirror_error": happenings.MirrorErrorEvent,
    "control_request_progress": happenings.NewsEvent,
    "plugin_install": happenings.NewsEvent,
    "thinking_tokens": happenings.NewsEvent,
    "worker_shutting_down": happenings.NewsEvent,
    "commands_changed": happenings.NewsEvent,
    "files_persisted": happenings.NewsEvent,
    "memory_recall": happenings.NewsEvent,
    "elicitation_complete": happenings.NewsEvent,
}
# Of the others, the type says all.
_OTHER: Final[dict[str, type[Event]]] = {
    "assistant": conversation.AssistantEvent,
    "user": conversation.UserEvent,
    "stream_event": conversation.StreamEvent,
    "result": conversation.ResultEvent,
    "control_request": conversation.ControlRequestEvent,
    "control_cancel_request": conversation.ControlCancelEvent,
    "control_response": conversation.ControlResponseEvent,
    "keep_alive": conversation.KeepAliveEvent,
    "rate_limit_event": happenings.RateLimitEvent,
    "tool_progress": happenings.ToolProgressEvent,
    "tool_use_summary": happenings.ToolUseSummaryEvent,
    "auth_status": happenings.AuthStatusEvent,
    "prompt_suggestion": happenings.PromptSuggestionEvent,
    "conversation_reset": happenings.ConversationResetEvent,
    "active_goal": happenings.NewsEvent,
}


class _Head(msgspec.Struct):
    type: str = ""
    subtype: str | None = None


_HEAD: Final = msgspec.json.Decoder(_Head)
_OF_SYSTEM: Final = {name: msgspec.json.Decoder(kind) for name, kind in _SYSTEM.items()}
_OF_OTHER: Final = {name: msgspec.json.Decoder(kind) for name, kind in _OTHER.items()}


def decode_event(line: bytes) -> Event:
    """Return the event in a line.

    Raises:
        MalformedEventError: the line is not JSON, or no object.
    """
    try:
        head = _HEAD.decode(line)
        decoders, name = (
            (_OF_SYSTEM, head.subtype) if head.type == "system" else (_OF_OTHER, head.type)
        )
        decoder = decoders.get(name or "")
        if decoder is None:
            return unknown(line, head.type, head.subtype, "this type is not known")
        event = decoder.decode(line)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return _carefully(line)
    msgspec.structs.force_setattr(event, "_line", line)
    return event


def _carefully(line: bytes) -> Event:
    """Decode what does not fit at once: first as JSON, then field by field."""
    try:
        raw = loads(line)
    except RecursionError:
        if not line.lstrip().startswith(b"{"):
            raise too_deep(line) from None
        return unknown(line, "", None, "it is nested too deeply")
    name, subtype = raw.get("type"), raw.get("subtype")
    kind = _SYSTEM.get(str(subtype)) if name == "system" else _OTHER.get(str(name))
    if kind is None:
        return unknown(line, name, subtype, "this type is not known")
    misfits: list[str] = []
    try:
        event = fit(kind, raw, misfits)
    except msgspec.ValidationError as error:
        return unknown(line, name, subtype, f"it does not fit its type: {error}")
    msgspec.structs.force_setattr(event, "_line", line)
    msgspec.structs.force_setattr(event, "_misfits", tuple(misfits))
    return event
