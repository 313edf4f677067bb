"""What messages consist of."""

from __future__ import annotations

from typing import Any, TypeAlias

import msgspec


class TextBlock(msgspec.Struct, frozen=True, tag="text"):
    """Words, to the last space as they came."""

    text: str
    citations: list[Any] | None = None


class ThinkingBlock(msgspec.Struct, frozen=True, tag="thinking"):
    """What Claude thought; empty where the API keeps it to itself."""

    thinking: str
    signature: str = ""


class RedactedThinkingBlock(msgspec.Struct, frozen=True, tag="redacted_thinking"):
    """Thoughts that only the API can read."""

    data: str = ""


class ToolUseBlock(msgspec.Struct, frozen=True, tag="tool_use"):
    """A call of a tool."""

    id: str
    name: str
    input: dict[str, Any]


class ServerToolUseBlock(msgspec.Struct, frozen=True, tag="server_tool_use"):
    """A call of a tool that the API carries out itself: a search, code."""

    id: str
    name: str
    input: dict[str, Any]


class McpToolUseBlock(msgspec.Struct, frozen=True, tag="mcp_tool_use"):
    """A call of a tool of an MCP server that the API reaches itself."""

    id: str
    name: str
    input: dict[str, Any]
    server_name: str = ""


class ToolResultBlock(msgspec.Struct, frozen=True, tag="tool_result"):
    """What a tool gave: text, or blocks (text, images) as they came.

    Attributes:
        text: all of it that is text.
    """

    tool_use_id: str
    content: str | list[Any] | None = None
    is_error: bool | None = None

    @property
    def text(self) -> str:
        return _text_of(self.content)


class McpToolResultBlock(msgspec.Struct, frozen=True, tag="mcp_tool_result"):
    """What a tool of an MCP server gave that the API reaches itself."""

    tool_use_id: str
    content: str | list[Any] | None = None
    is_error: bool | None = None


class ServerToolResultBlock(msgspec.Struct, frozen=True, tag=False):
    """What a tool gave that the API carried out: base of the blocks of each tool."""

    tool_use_id: str
    content: Any = None


class WebSearchResultBlock(ServerToolResultBlock, frozen=True, tag="web_search_tool_result"):
    """What a search of the web found."""


class WebFetchResultBlock(ServerToolResultBlock, frozen=True, tag="web_fetch_tool_result"):
    """A page of the web."""


class CodeResultBlock(ServerToolResultBlock, frozen=True, tag="code_execution_tool_result"):
    """What code gave that the API ran."""


class BashCodeResultBlock(
    ServerToolResultBlock, frozen=True, tag="bash_code_execution_tool_result"
):
    """What a shell command gave that the API ran."""


class TextEditorResultBlock(
    ServerToolResultBlock, frozen=True, tag="text_editor_code_execution_tool_result"
):
    """What the API's own editor gave."""


class ToolSearchResultBlock(ServerToolResultBlock, frozen=True, tag="tool_search_tool_result"):
    """Which tools a search among them found."""


class AdvisorResultBlock(ServerToolResultBlock, frozen=True, tag="advisor_tool_result"):
    """What the advisor said."""


class ImageBlock(msgspec.Struct, frozen=True, tag="image"):
    """A picture."""

    source: dict[str, Any]


class DocumentBlock(msgspec.Struct, frozen=True, tag="document"):
    """A document."""

    source: dict[str, Any]
    title: str | None = None


class UnknownBlock(msgspec.Struct, frozen=True, tag="pinnace: unknown"):
    """A block of a type that this version of Pinnace does not know, or that does not fit it.

    Attributes:
        raw: all of it.
        block_type: as on the wire; empty if it has none.
    """

    raw: Any

    @property
    def block_type(self) -> str:
        kind = self.raw.get("type") if isinstance(self.raw, dict) else None
        return kind if isinstance(kind, str) else ""


Block: TypeAlias = (
    TextBlock
    | ThinkingBlock
    | RedactedThinkingBlock
    | ToolUseBlock
    | ServerToolUseBlock
    | McpToolUseBlock
    | ToolResultBlock
    | McpToolResultBlock
    | WebSearchResultBlock
    | WebFetchResultBlock
    | CodeResultBlock
    | BashCodeResultBlock
    | TextEditorResultBlock
    | ToolSearchResultBlock
    | AdvisorResultBlock
    | ImageBlock
    | DocumentBlock
    | UnknownBlock
)
Content: TypeAlias = str | tuple[Block, ...]


class Usage(msgspec.Struct, frozen=True, kw_only=True):
    """Tokens, of a message or of a run."""

    input_tokens: int = 0
    output_tokens: int = 0
    cache_creation_input_tokens: int = 0
    cache_read_input_tokens: int = 0


class ModelUsage(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Tokens and their price, of one model."""

    input_tokens: int = 0
    output_tokens: int = 0
    cache_creation_input_tokens: int = 0
    cache_read_input_tokens: int = 0
    web_search_requests: int = 0
    cost_usd: float = msgspec.field(default=0.0, name="costUSD")
    context_window: int = 0
    max_output_tokens: int = 0


class Message(msgspec.Struct, frozen=True, kw_only=True):
    """A message of the conversation, as the Messages API has it."""

    content: Content
    role: str = ""
    id: str = ""
    model: str = ""
    stop_reason: str | None = None
    usage: Usage = Usage()

    @property
    def blocks(self) -> tuple[Block, ...]:
        """The content; one block of text where it is only that."""
        content = self.content
        return (TextBlock(content),) if isinstance(content, str) else content


def _text_of(content: object) -> str:
    if isinstance(content, str):
        return content
    parts = content if isinstance(content, list) else []
    texts = (part.get("text") for part in parts if isinstance(part, dict))
    return "".join(text for text in texts if isinstance(text, str))
