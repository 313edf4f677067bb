"""Events of a conversation: how it starts, what is said, what came of it, and the control protocol.

Types and subtypes as of Claude Code 2.1.332; fields that older versions lack are empty.
"""

from __future__ import annotations

from typing import Any

import msgspec

from pinnace.sdk.blocks import (
    Block,
    Message,
    ModelUsage,
    TextBlock,
    ToolResultBlock,
    ToolUseBlock,
    Usage,
)
from pinnace.sdk.event import Event


class McpServerStatus(msgspec.Struct, frozen=True, kw_only=True):
    """An MCP server, and whether it runs."""

    name: str = ""
    status: str = ""
    source: str = ""


class InitEvent(Event, frozen=True, kw_only=True):
    """The session has begun, or its next turn has: what Claude works with."""

    cwd: str = ""
    model: str = ""
    tools: tuple[str, ...] = ()
    mcp_servers: tuple[McpServerStatus, ...] = ()
    permission_mode: str = msgspec.field(default="", name="permissionMode")
    api_key_source: str = msgspec.field(default="", name="apiKeySource")
    claude_code_version: str = ""
    output_style: str = ""
    slash_commands: tuple[str, ...] = ()
    agents: tuple[str, ...] = ()
    skills: tuple[str, ...] = ()
    plugins: tuple[dict[str, Any], ...] = ()
    plugin_errors: tuple[dict[str, Any], ...] = ()
    capabilities: tuple[str, ...] = ()


class AssistantEvent(Event, frozen=True, kw_only=True):
    """Claude said something, or called tools.

    Attributes:
        error: the kind of failure where this is the CLI's own message about one.
        parent_tool_use_id: the call that started the agent that said it; None: Claude itself.
    """

    message: Message
    parent_tool_use_id: str | None = None
    error: str | None = None
    request_id: str | None = None
    user_message_uuid: str | None = None
    user_message_uuids: tuple[str, ...] | None = None

    @property
    def content(self) -> tuple[Block, ...]:
        """What the message consists of."""
        return self.message.blocks

    @property
    def text(self) -> str:
        """All of it that is text."""
        return "".join(block.text for block in self.content if isinstance(block, TextBlock))

    @property
    def tool_uses(self) -> tuple[ToolUseBlock, ...]:
        """The calls of tools in it."""
        return tuple(block for block in self.content if isinstance(block, ToolUseBlock))


class UserEvent(Event, frozen=True, kw_only=True):
    """What went to Claude: what tools gave, and what was sent to it.

    Attributes:
        tool_use_result: what the tool gave as the CLI keeps it, richer than the message.
        is_synthetic: the CLI itself said it.
        is_replay: the echo of what was sent.
        origin: who sent it.
    """

    message: Message
    parent_tool_use_id: str | None = None
    tool_use_result: Any = None
    is_synthetic: bool = msgspec.field(default=False, name="isSynthetic")
    is_replay: bool = msgspec.field(default=False, name="isReplay")
    origin: dict[str, Any] | None = None

    @property
    def content(self) -> tuple[Block, ...]:
        """What the message consists of."""
        return self.message.blocks

    @property
    def tool_results(self) -> tuple[ToolResultBlock, ...]:
        """What tools gave."""
        return tuple(block for block in self.content if isinstance(block, ToolResultBlock))


class StreamEvent(Event, frozen=True, kw_only=True):
    """A piece of a message, as the Messages API streams it (with partial messages on).

    Attributes:
        event: the API's own event.
    """

    event: dict[str, Any]
    parent_tool_use_id: str | None = None
    ttft_ms: float | None = None
    user_message_uuid: str | None = None
    user_message_uuids: tuple[str, ...] | None = None

    @property
    def text(self) -> str:
        """The words that it adds, if it does."""
        return self._added("text")

    @property
    def thinking(self) -> str:
        """The thoughts that it adds, if it does."""
        return self._added("thinking")

    def _added(self, what: str) -> str:
        delta = self.event.get("delta")
        added = delta.get(what) if isinstance(delta, dict) else None
        return added if isinstance(added, str) else ""


class PermissionDenial(msgspec.Struct, frozen=True, kw_only=True):
    """A call of a tool that was not allowed."""

    tool_name: str = ""
    tool_use_id: str = ""
    tool_input: dict[str, Any] = msgspec.field(default_factory=dict)


class DeferredToolUse(msgspec.Struct, frozen=True, kw_only=True):
    """A call of a tool that a hook put off, for which the turn ended."""

    id: str
    name: str
    input: dict[str, Any]


class ResultEvent(Event, frozen=True, kw_only=True):
    """A turn is over. `subtype` says how; is_error says it only in part.

    Attributes:
        result: the answer; after an error of the API, its message.
        num_turns: as the version counts them.
        terminal_reason: why it is over, in newer versions.
        api_error_status: the HTTP status that ended it, in newer versions.
        errors: in words.
    """

    is_error: bool
    num_turns: int = 0
    result: str | None = None
    structured_output: Any = None
    duration_ms: float = 0.0
    duration_api_ms: float = 0.0
    total_cost_usd: float | None = None
    # Before 1.0.
    former_cost_usd: float | None = msgspec.field(default=None, name="cost_usd")
    usage: Usage = Usage()
    model_usage: dict[str, ModelUsage] = msgspec.field(default_factory=dict, name="modelUsage")
    permission_denials: tuple[PermissionDenial, ...] = ()
    deferred_tool_use: DeferredToolUse | None = None
    stop_reason: str | None = None
    terminal_reason: str | None = None
    api_error_status: int | None = None
    errors: tuple[str, ...] = ()
    origin: dict[str, Any] | None = None
    user_message_uuid: str | None = None
    user_message_uuids: tuple[str, ...] | None = None

    @property
    def cost_usd(self) -> float | None:
        """What the session has cost; None: not said."""
        return self.former_cost_usd if self.total_cost_usd is None else self.total_cost_usd


class ControlRequestEvent(Event, frozen=True, kw_only=True):
    """Claude asks the program that drives it: for a permission, a hook, an MCP message.

    Attributes:
        request: what it asks; its `subtype` says which kind.
    """

    request_id: str
    request: dict[str, Any]

    @property
    def kind(self) -> str:
        """The request's subtype: `can_use_tool`, `hook_callback`, `mcp_message`."""
        return str(self.request.get("subtype", ""))


class ControlCancelEvent(Event, frozen=True, kw_only=True):
    """Claude no longer needs an answer to a request."""

    request_id: str


class ControlResponseEvent(Event, frozen=True, kw_only=True):
    """The answer to a request of the program's.

    Attributes:
        response: with `subtype` (`success` or `error`) and `request_id`.
    """

    response: dict[str, Any]

    @property
    def request_id(self) -> str:
        """The request that it answers."""
        return str(self.response.get("request_id", ""))

    @property
    def error(self) -> str | None:
        """Why it was not done; None: it was."""
        failed = self.response.get("subtype") == "error"
        return str(self.response.get("error", "")) if failed else None


class KeepAliveEvent(Event, frozen=True, kw_only=True):
    """Nothing new: the connection lives."""
