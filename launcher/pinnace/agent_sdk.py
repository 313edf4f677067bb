"""The official Agent SDK, unchanged, with Claude in a container; needs `pinnace[agent-sdk]`."""

from pinnace.sdk.agent_sdk import IsolatedTransport, transport

__all__ = ["IsolatedTransport", "transport"]
