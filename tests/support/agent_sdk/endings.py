"""Ends of all kinds: cancelled, closed twice, left in the middle."""

from __future__ import annotations

import asyncio
import threading

import anyio
import sniffio
from claude_agent_sdk.types import StreamEvent

from tests.support.agent_sdk.kit import Kit, scenario
from tests.support.messages_api import Text

_BOUND_SECONDS = 30


async def _begun(kit: Kit, begun: anyio.Event) -> None:
    """Ask, and tell when the answer begins; it never ends."""
    async with kit.client(include_partial_messages=True) as client:
        await client.query("Tell a long story")
        async for message in client.receive_response():
            if isinstance(message, StreamEvent) and "delta" in message.event:
                begun.set()


@scenario(trio=True, everywhere=True)
async def is_cancelled_by_a_scope(kit: Kit) -> None:
    gate, begun = threading.Event(), anyio.Event()
    kit.api.reply_with(Text("a long story", gate=gate))
    try:
        with anyio.fail_after(_BOUND_SECONDS):
            async with anyio.create_task_group() as group:
                group.start_soon(_begun, kit, begun)
                await begun.wait()
                group.cancel_scope.cancel()
    finally:
        gate.set()


@scenario()
async def is_cancelled_again_and_again(kit: Kit) -> None:
    """`task.cancel()` goes through every shield; a second one comes while it still closes."""
    gate, begun = threading.Event(), anyio.Event()
    kit.api.reply_with(Text("a long story", gate=gate))
    assert sniffio.current_async_library() == "asyncio"
    try:
        with anyio.fail_after(_BOUND_SECONDS):
            task = asyncio.ensure_future(_begun(kit, begun))
            await begun.wait()
            while not task.done():
                task.cancel()
                await asyncio.sleep(0.01)
    finally:
        gate.set()


@scenario()
async def is_left_in_the_middle(kit: Kit) -> None:
    gate = threading.Event()
    kit.api.reply_with(Text("a long story", gate=gate))
    messages = kit.ask("Tell it", include_partial_messages=True)
    try:
        with anyio.fail_after(_BOUND_SECONDS):
            async for message in messages:
                if isinstance(message, StreamEvent):
                    break
            await messages.aclose()  # type: ignore[attr-defined]
    finally:
        gate.set()


@scenario()
async def is_closed_by_another_task(kit: Kit) -> None:
    kit.api.reply_with(Text("ok"))
    client = kit.client()
    with anyio.fail_after(_BOUND_SECONDS):
        await client.connect()
        await asyncio.ensure_future(client.disconnect())
        await client.disconnect()


@scenario()
async def is_asked_twice_at_once(kit: Kit) -> None:
    """Independent calls share nothing."""
    kit.api.reply_with(Text("the same"))
    texts: list[str] = []

    async def one() -> None:
        texts.append((await kit.answer("Say it")).text)

    async with anyio.create_task_group() as group:
        for _ in range(3):
            group.start_soon(one)
    assert texts == ["the same"] * 3
