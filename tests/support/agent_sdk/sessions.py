"""Sessions: resumed, forked, cut short, kept in a store of the program's own."""

from __future__ import annotations

import tempfile
import uuid
from pathlib import Path
from typing import Any

from claude_agent_sdk import AgentDefinition, ProcessError

from tests.support.agent_sdk.kit import Kit, said_to_api, scenario, turn
from tests.support.messages_api import Text, ToolUse


@scenario(everywhere=True)
async def resumes_and_forks(kit: Kit) -> None:
    kit.api.reply_with(Text("noted"), Text("blue"), Text("still blue"))
    first = (await kit.answer("My favourite colour is blue")).result
    resumed = await kit.answer("Which one is it?", resume=first.session_id)
    assert resumed.text == "blue"
    assert resumed.result.session_id == first.session_id
    assert "My favourite colour is blue" in said_to_api(kit)
    forked = await kit.answer("And now?", resume=first.session_id, fork_session=True)
    assert forked.result.session_id != first.session_id
    assert "My favourite colour is blue" in said_to_api(kit)


@scenario()
async def continues_the_last_one(kit: Kit) -> None:
    kit.api.reply_with(Text("noted"), Text("blue"))
    await kit.answer("My favourite colour is blue")
    await kit.answer("Which one is it?", continue_conversation=True)
    assert "My favourite colour is blue" in said_to_api(kit)


def _left() -> set[str]:
    return {path.name for path in Path(tempfile.gettempdir()).glob("claude-resume-*")}


@scenario(since="0.1.64", trio=True, everywhere=True)
async def resumes_from_a_store(kit: Kit) -> None:
    """What is not on this machine's disk comes from the store, and goes back there."""
    from claude_agent_sdk import InMemorySessionStore, project_key_for_directory

    store, before = InMemorySessionStore(), _left()
    key = project_key_for_directory(str(kit.place))
    kit.api.reply_with(Text("noted"), Text("blue"), Text("of course"))
    first = (await kit.answer("My favourite colour is blue", session_store=store)).result
    kept = await store.load({"project_key": key, "session_id": first.session_id})
    assert kept, store
    assert _forgotten(first.session_id) or not kit.isolated
    resumed = await kit.answer("Which?", session_store=store, resume=first.session_id)
    assert resumed.text == "blue"
    assert resumed.result.session_id == first.session_id
    assert "My favourite colour is blue" in said_to_api(kit)
    more = await store.load({"project_key": key, "session_id": first.session_id})
    assert more is not None
    assert len(more) > len(kept)
    # What was resumed lay in a directory of the SDK's, which has gone.
    assert not _forgotten(first.session_id)
    async with kit.client(session_store=store, continue_conversation=True) as client:
        await turn(client, "Sure?")
    assert "My favourite colour is blue" in said_to_api(kit)
    assert "Which?" in said_to_api(kit)
    assert _left() == before


def _forgotten(session: str) -> bool:
    """Remove what the CLI itself has kept of a session, wherever that is; return whether it had."""
    found = list(Path.home().rglob(f"{session}.jsonl"))
    for path in found:
        path.unlink()
    return bool(found)


@scenario(since="0.1.64")
async def starts_anew_where_a_store_is_empty(kit: Kit) -> None:
    from claude_agent_sdk import InMemorySessionStore

    kit.api.reply_with(Text("new"))
    store = InMemorySessionStore()
    heard = await kit.answer("Go on", session_store=store, continue_conversation=True)
    assert heard.text == "new"


@scenario(since="0.2.120")
async def mirrors_what_agents_say(kit: Kit) -> None:
    from claude_agent_sdk import (
        InMemorySessionStore,
        get_subagent_messages_from_store,
        list_subagents_from_store,
    )

    store = InMemorySessionStore()
    wanted = {"subagent_type": "greeter", "prompt": "hi", "description": "greeting"}
    kit.api.reply_with(
        ToolUse("Agent", {**wanted, "run_in_background": False}), Text("hello"), Text("DONE")
    )
    heard = await kit.answer(
        "Greet",
        session_store=store,
        agents={"greeter": AgentDefinition("greets", "Greet", background=False)},
        allowed_tools=["Agent", "Task"],
    )
    session, where = heard.result.session_id, str(kit.place)
    agents = await list_subagents_from_store(store, session, directory=where)
    assert agents
    said = await get_subagent_messages_from_store(store, session, agents[0], directory=where)
    assert "hello" in str(said)


@scenario(since="0.2.120")
async def cuts_a_session_short(kit: Kit) -> None:
    kit.api.reply_with(Text("one"), Text("two"), Text("three"))
    first: Any = None
    async with kit.client() as client:
        heard = await turn(client, "first prompt")
        first = [m for m in heard.messages if type(m).__name__ == "AssistantMessage"][-1]
        session = (await turn(client, "second prompt")).result.session_id
    cut = {"resume": session, "fork_session": True, "resume_session_at": first.uuid}
    await kit.answer("third prompt", **cut)
    assert "first prompt" in said_to_api(kit)
    assert "second prompt" not in said_to_api(kit)
    try:
        await kit.answer("third prompt", **cut, resume_drops_turn=str(uuid.uuid4()))
    except ProcessError as error:
        assert "--resume-drops-turn" in str(error)
    else:
        raise AssertionError("it was not refused")
