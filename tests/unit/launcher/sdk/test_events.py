"""Lines of the real CLI, and lines that it should not write, as typed events."""

from __future__ import annotations

import json
import pickle
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pinnace.sdk.blocks import (
    ImageBlock,
    RedactedThinkingBlock,
    ServerToolUseBlock,
    TextBlock,
    ThinkingBlock,
    ToolUseBlock,
    UnknownBlock,
    WebSearchResultBlock,
)
from pinnace.sdk.conversation import (
    AssistantEvent,
    ControlRequestEvent,
    ControlResponseEvent,
    InitEvent,
    KeepAliveEvent,
    ResultEvent,
    StreamEvent,
    UserEvent,
)
from pinnace.sdk.errors import MalformedEventError
from pinnace.sdk.event import Event, UnknownEvent
from pinnace.sdk.events import decode_event
from pinnace.sdk.happenings import (
    HookResponseEvent,
    PermissionDeniedEvent,
    RateLimitEvent,
    StatusEvent,
    TaskUpdatedEvent,
)

STREAMS = Path(__file__).parent / "streams"
RECORDED = sorted(STREAMS.glob("*.jsonl"))
DEEP = 5000


def decoded(path: Path) -> list[Event]:
    return [decode_event(line) for line in path.read_bytes().splitlines()]


def encoded(**fields: object) -> bytes:
    return json.dumps(fields).encode()


@pytest.mark.parametrize("path", RECORDED, ids=lambda path: path.stem)
def test_all_that_the_cli_wrote_is_known_and_fits(path: Path) -> None:
    events = decoded(path)
    assert [event for event in events if isinstance(event, UnknownEvent)] == []
    assert {event.misfits for event in events} == {()}
    assert [event.raw for event in events] == list(map(json.loads, path.read_bytes().splitlines()))


def test_three_versions_are_recorded() -> None:
    assert {path.stem.partition("-")[0] for path in RECORDED} == {"1.0.128", "2.1.116", "2.1.330"}


@pytest.mark.parametrize("version", ["2.1.116", "2.1.330"])
def test_blocks_have_types_of_their_own(version: str) -> None:
    events = decoded(STREAMS / f"{version}-tools.jsonl")
    said = [block for e in events if isinstance(e, AssistantEvent) for block in e.content]
    assert [type(block) for block in said] == [
        ThinkingBlock,
        RedactedThinkingBlock,
        TextBlock,
        ToolUseBlock,
        ServerToolUseBlock,
        WebSearchResultBlock,
        TextBlock,
    ]
    assert TextBlock("  It says \U0001f600 alpha.\n") in said
    (gave,) = [e for e in events if isinstance(e, UserEvent)]
    assert "alpha" in gave.tool_results[0].text


@pytest.mark.parametrize("version", ["1.0.128", "2.1.116", "2.1.330"])
def test_a_picture_that_a_tool_gave_is_there(version: str) -> None:
    events = decoded(STREAMS / f"{version}-image.jsonl")
    (gave,) = [e for e in events if isinstance(e, UserEvent)]
    (content,) = gave.tool_results
    assert isinstance(content.content, list)
    assert content.content[0]["type"] == "image"
    image = encoded(type="user", message={"content": [{"type": "image", "source": {"data": "x"}}]})
    (block,) = decode_event(image).content  # type: ignore[attr-defined]
    assert isinstance(block, ImageBlock)


@pytest.mark.parametrize("version", ["1.0.128", "2.1.116", "2.1.330"])
def test_pieces_of_a_message_add_up_to_it(version: str) -> None:
    events = decoded(STREAMS / f"{version}-partial.jsonl")
    assert "".join(e.text for e in events if isinstance(e, StreamEvent)) == "Hello there."
    assert "".join(e.text for e in events if isinstance(e, AssistantEvent)) == "Hello there."


def test_hooks_refusals_and_states_are_typed() -> None:
    hooks = decoded(STREAMS / "2.1.330-hooks.jsonl")
    assert [e.outcome for e in hooks if isinstance(e, HookResponseEvent)] == ["success"]
    denied = decoded(STREAMS / "2.1.330-denied.jsonl")
    assert [e.tool_name for e in denied if isinstance(e, PermissionDeniedEvent)] == ["Write"]
    partial = decoded(STREAMS / "2.1.330-partial.jsonl")
    assert [e.status for e in partial if isinstance(e, StatusEvent)] == ["requesting"]


def test_the_first_version_that_streams_is_understood() -> None:
    """As 0.2.126 writes: no ids of events, the price by another name."""
    init = decode_event(encoded(type="system", subtype="init", session_id="s", tools=["Bash"]))
    assert isinstance(init, InitEvent)
    assert (init.tools, init.uuid, init.model) == (("Bash",), None, "")
    line = encoded(type="result", subtype="success", is_error=False, cost_usd=0.5, total_cost=0.5)
    event = decode_event(line)
    assert isinstance(event, ResultEvent)
    assert event.cost_usd == 0.5


def test_the_control_protocol_is_typed() -> None:
    asked = decode_event(
        encoded(type="control_request", request_id="1", request={"subtype": "can_use_tool"})
    )
    assert isinstance(asked, ControlRequestEvent)
    assert (asked.request_id, asked.kind) == ("1", "can_use_tool")
    response = {"subtype": "error", "request_id": "2", "error": "no"}
    answered = decode_event(encoded(type="control_response", response=response))
    assert isinstance(answered, ControlResponseEvent)
    assert (answered.request_id, answered.error) == ("2", "no")
    assert isinstance(decode_event(encoded(type="keep_alive")), KeepAliveEvent)


def test_limits_and_tasks_are_typed() -> None:
    info = {"status": "rejected", "resetsAt": 1, "rateLimitType": "five_hour"}
    limit = decode_event(encoded(type="rate_limit_event", rate_limit_info=info))
    assert isinstance(limit, RateLimitEvent)
    assert limit.rate_limit_info.rate_limit_type == "five_hour"
    task = decode_event(
        encoded(type="system", subtype="task_updated", task_id="t", patch={"status": "killed"})
    )
    assert isinstance(task, TaskUpdatedEvent)
    assert task.status == "killed"


@pytest.mark.parametrize(
    ("line", "name"),
    [
        (b'{"type":"news","x":1}', "news"),
        (b'{"type":"system","subtype":"news"}', "system/news"),
        (b'{"subtype":"init"}', ""),
        (b'{"type":7}', ""),
        (b'{"type":["result"]}', ""),
        (b'{"type":"system","subtype":{}}', "system"),
        (b"{}", ""),
    ],
)
def test_what_is_not_known_passes_whole(line: bytes, name: str) -> None:
    event = decode_event(line)
    assert isinstance(event, UnknownEvent)
    assert event.raw == json.loads(line)
    assert event.reason
    if name:
        assert event.name.startswith(name)


def test_blocks_that_are_not_known_pass_beside_those_that_are() -> None:
    content = [{"type": "text", "text": " a "}, {"type": "news", "x": [1]}, {"type": "text"}, 5]
    event = decode_event(encoded(type="assistant", message={"content": content}))
    assert isinstance(event, AssistantEvent)
    text, news, *others = event.content
    assert (text, event.text) == (TextBlock(" a "), " a ")
    assert isinstance(news, UnknownBlock)
    assert (news.block_type, news.raw) == ("news", {"type": "news", "x": [1]})
    assert [o.raw for o in others if isinstance(o, UnknownBlock)] == [{"type": "text"}, 5]


def test_a_field_of_another_type_costs_only_that_field() -> None:
    usage = {"input_tokens": "many", "output_tokens": 5, "cache_read_input_tokens": None}
    line = encoded(
        type="result", is_error=False, num_turns="two", usage=usage, result="yes", errors=None
    )
    event = decode_event(line)
    assert isinstance(event, ResultEvent)
    assert (event.result, event.num_turns, event.usage.output_tokens) == ("yes", 0, 5)
    assert event.misfits == ("num_turns", "usage.input_tokens")
    assert event.raw["num_turns"] == "two"


def test_an_event_without_what_it_is_about_is_unknown() -> None:
    """A result that does not say whether it is an error is not taken for an answer."""
    for fields in ({"result": "yes"}, {"result": "yes", "is_error": "no"}):
        event = decode_event(encoded(type="result", subtype="success", **fields))
        assert isinstance(event, UnknownEvent)
        assert "is_error" in event.reason


def test_a_line_cannot_say_what_is_noted_about_it() -> None:
    line = b'{"type":"keep_alive","pinnace: line":"aGk=","pinnace: misfits":["x"]}'
    event = decode_event(line)
    assert (event.line, event.misfits) == (line, ("x",)) or event.misfits == ()
    assert event.line == line


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        (rb"\ud83d", "\ufffd"),
        (rb"\ude00\ud83d", "\ufffd\ufffd"),
        (rb"\ud83d\ude00", "\U0001f600"),
        (rb"\\ud83d \ud83d", "\\ud83d \ufffd"),
        (b"\xff\xc3", "\ufffd\ufffd"),
        (rb"\u0000", "\0"),
        ("\u2028".encode(), "\u2028"),
    ],
)
def test_what_is_no_character_is_replaced_and_nothing_else(text: bytes, meant: str) -> None:
    event = decode_event(
        b'{"type":"assistant","message":{"content":[{"type":"text","text":"%s"}]}}' % text
    )
    assert isinstance(event, AssistantEvent)
    assert event.text == meant
    assert event.raw["message"]["content"][0]["text"] == meant
    event.text.encode()


@pytest.mark.parametrize("number", ["9" * 40, "1e999", "-1e999", "9" * 5000, "0.1"])
def test_numbers_of_any_size_pass(number: str) -> None:
    event = decode_event(b'{"type":"keep_alive","n":%s}' % number.encode())
    assert isinstance(event, KeepAliveEvent)
    assert event.raw["n"] == (int(number) if len(number) == 40 else float(number))


def test_an_event_too_deep_to_decode_passes_as_bytes() -> None:
    line = b'{"type":' + b'{"a":' * DEEP + b"1" + b"}" * DEEP + b"}"
    event = decode_event(line)
    assert isinstance(event, UnknownEvent)
    assert (event.line, event.reason) == (line, "it is nested too deeply")
    with pytest.raises(MalformedEventError, match="nested too deeply"):
        _ = event.raw
    with pytest.raises(MalformedEventError):
        decode_event(b"[" * DEEP)


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"x",
        b"{",
        b'{"a":1}x',
        b"[1]",
        b"5",
        b'"x"',
        b"null",
        b"{'a':1}",
        b'{"a":NaN}',
        b"\x00",
        b'{"type":"keep_alive"}{"type":"keep_alive"}',
        b'{"a":"\n"}',
        b"\xff\xfe",
    ],
)
def test_what_is_no_object_is_an_error(line: bytes) -> None:
    with pytest.raises(MalformedEventError) as caught:
        decode_event(line)
    assert caught.value.line == line
    assert caught.value.hint
    assert caught.value.exit_code == 76


def test_what_is_shown_of_an_event_is_short() -> None:
    event = decode_event(encoded(type="news", x="y" * 10_000))
    assert len(repr(event)) < 300
    assert len(str(event)) < 300


def test_events_can_be_kept_elsewhere() -> None:
    for event in decoded(STREAMS / "2.1.330-tools.jsonl"):
        assert pickle.loads(pickle.dumps(event)) == event  # noqa: S301 (our own)


_TYPES = st.sampled_from(
    ["assistant", "user", "system", "result", "stream_event", "control_request", "rate_limit_event"]
)
_JSON: st.SearchStrategy[Any] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda parts: (
        st.lists(parts, max_size=4)
        | st.dictionaries(
            st.sampled_from(["type", "message", "content", "text", "usage", "id", "x"]), parts
        )
    ),
    max_leaves=20,
)


@settings(deadline=None)
@given(
    st.dictionaries(
        st.sampled_from(["subtype", "message", "is_error", "usage", "event", "request", "uuid"])
        | st.text(max_size=4),
        _JSON,
    ),
    _TYPES,
)
def test_any_object_passes(fields: dict[str, Any], kind: str) -> None:
    line = json.dumps(fields | {"type": kind}).encode()
    event = decode_event(line)
    assert event.type == kind
    assert event.line == line
    assert set(event.raw) == set(json.loads(line))
