"""Let Claude call functions of this program, without an event loop."""

from __future__ import annotations

from pinnace import AssistantEvent, sync, tool


@tool
def stock(article: str) -> int:
    """Tell how many of an article are there."""
    return {"bolts": 40, "nuts": 2}.get(article, 0)


def main() -> None:
    """Print what Claude says, and which tools it calls."""
    with sync.stream(
        "How many bolts are there?",
        mcp_servers={"shop": [stock]},
        tools=["mcp__shop__stock"],
    ) as stream:
        for event in stream:
            if isinstance(event, AssistantEvent):
                print(event.text, *(use.name for use in event.tool_uses))


if __name__ == "__main__":
    main()
