"""Follow Claude at work, decide on its tools, and go on in the same session."""

from __future__ import annotations

import anyio

from pinnace import Deny, Pinnace, ResultEvent, StreamEvent, ToolUseRequest


async def decide(asked: ToolUseRequest) -> bool | Deny:
    """Let Claude read, and nothing else."""
    return asked.tool in {"Read", "Grep"} or Deny("only reading is allowed")


async def main() -> None:
    """Print the words as they come, then ask once more."""
    box, turns = Pinnace(project="."), 0
    async with box.stream(
        "Summarise README.md.", partial_messages=True, can_use_tool=decide
    ) as stream:
        async for event in stream:
            if isinstance(event, StreamEvent):
                print(event.text, end="", flush=True)
            elif isinstance(event, ResultEvent):
                print()
                turns += 1
                if turns == 1:
                    await stream.send("Now in one sentence.")


if __name__ == "__main__":
    anyio.run(main)
