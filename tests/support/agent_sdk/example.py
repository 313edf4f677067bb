"""Run a program with Pinnace's transport: `python -m tests.support.agent_sdk.example FILE WORD...`.

What it imports of the SDK starts Claude by that; nothing else is changed.
"""

from __future__ import annotations

import runpy
import sys
from typing import TYPE_CHECKING, Any

import claude_agent_sdk
from claude_agent_sdk import ClaudeAgentOptions, ClaudeSDKClient, query

from pinnace.agent_sdk import transport

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from claude_agent_sdk import Message


class _Client(ClaudeSDKClient):
    def __init__(self, options: ClaudeAgentOptions | None = None) -> None:
        super().__init__(options, transport=transport(options))


def _query(*, prompt: Any, options: ClaudeAgentOptions | None = None) -> AsyncIterator[Message]:
    return query(prompt=prompt, options=options, transport=transport(options))


def main() -> None:
    claude_agent_sdk.ClaudeSDKClient = _Client  # type: ignore[misc, assignment]
    claude_agent_sdk.query = _query  # type: ignore[assignment]
    del sys.argv[0]
    runpy.run_path(sys.argv[0], run_name="__main__")


if __name__ == "__main__":
    main()
