"""Bytes in awkward pieces to events, whatever the pieces."""

from __future__ import annotations

import itertools
import tracemalloc
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pinnace.sdk.decode import EventDecoder, events_of
from pinnace.sdk.errors import LineTooLongError, MalformedEventError
from tests.support.soak import rounds

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable

    from pinnace.sdk.event import Event

STREAM = (Path(__file__).parent / "streams" / "2.1.330-tools.jsonl").read_bytes()
MIB = 1 << 20
KEEP = b'{"type":"keep_alive"}'


def decoded(pieces: Iterable[bytes], limit: int | None = None) -> list[Event]:
    decoder = EventDecoder(limit)
    events: list[Event] = []
    for piece in pieces:
        decoder.feed(piece)
        events.extend(decoder)
    decoder.finish()
    return [*events, *decoder]


@given(st.lists(st.integers(0, len(STREAM)), max_size=40))
def test_any_pieces_give_the_same_events(cuts: list[int]) -> None:
    places = [0, *sorted(cuts), len(STREAM)]
    pieces = [STREAM[start:end] for start, end in itertools.pairwise(places)]
    assert decoded(pieces) == decoded([STREAM])


def test_single_bytes_give_the_same_events() -> None:
    assert decoded(STREAM[i : i + 1] for i in range(len(STREAM))) == decoded([STREAM])


def test_ends_of_lines_are_of_any_kind() -> None:
    whole = decoded([STREAM])
    lines = STREAM.splitlines()
    assert len(whole) == len(lines)
    assert [e.raw for e in decoded([b"\r\n".join(lines)])] == [e.raw for e in whole]
    assert decoded([b"\n\n  \n" + b"\n\n".join(lines)]) == whole


def test_a_line_of_ten_megabytes_is_one_event() -> None:
    line = b'{"type":"news","x":"' + b"y" * (10 * MIB) + b'"}\n'
    pieces = [line[at : at + 4096] for at in range(0, len(line), 4096)]
    (event, after) = decoded([*pieces, KEEP])
    assert len(event.raw["x"]) == 10 * MIB
    assert after.name == "keep_alive"


@pytest.mark.soak
def test_a_long_stream_needs_little_memory() -> None:
    """1 GiB in a soak."""
    line = b'{"type":"news","x":"' + b"y" * MIB + b'"}\n'
    decoder = EventDecoder()
    tracemalloc.start()
    try:
        count = 0
        for _ in range(rounds(1024)):
            for at in range(0, len(line), 65536):
                decoder.feed(line[at : at + 65536])
                count += sum(1 for _ in decoder)
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert count == rounds(1024)
    assert most < 8 * MIB


def test_a_bad_line_is_told_with_its_number_and_what_came_before() -> None:
    decoder = EventDecoder()
    decoder.feed(KEEP + b"\n\nWarning: something\n" + KEEP + b"\n")
    events: list[Event] = []
    with pytest.raises(MalformedEventError) as caught:
        events.extend(decoder)
    assert caught.value.number == 3
    for part in ("line 3", "after keep_alive", "Warning: something"):
        assert part in caught.value.message
    assert [event.name for event in decoder] == ["keep_alive"]


def test_the_events_before_a_bad_line_are_there() -> None:
    decoder = EventDecoder()
    decoder.feed(KEEP + b"\nx\n")
    there = iter(decoder)
    assert next(there).name == "keep_alive"
    with pytest.raises(MalformedEventError):
        next(there)


def test_a_cut_off_last_line_is_an_error() -> None:
    with pytest.raises(MalformedEventError, match="before any event"):
        decoded([KEEP[:-3]])


@pytest.mark.parametrize("size", [1, 7, 10_000])
def test_a_limit_counts_bytes_of_a_line_and_costs_only_that_line(size: int) -> None:
    limit = len(KEEP)
    data = KEEP + b"\r\n" + b"{" + b" " * limit + b"}\n" + KEEP + b"\n" + b"x" * 1000
    decoder = EventDecoder(limit)
    for at in range(0, len(data), size):
        decoder.feed(data[at : at + size])
    decoder.finish()
    names: list[str] = []
    numbers: list[int] = []
    for _ in range(3):
        try:
            for event in decoder:
                names.append(event.name)  # noqa: PERF401 (those before an error count)
        except LineTooLongError as error:
            numbers.append(error.number)
    assert numbers == [2, 4]
    assert names == ["keep_alive", "keep_alive"]


def test_nothing_is_read_before_the_events_are_taken() -> None:
    read: list[int] = []

    async def pieces() -> AsyncIterator[bytes]:
        for number in range(3):
            read.append(number)
            yield KEEP + b"\n" + KEEP + b"\n"

    async def taken() -> list[str]:
        events = events_of(pieces())
        names = [(await anext(events)).name, (await anext(events)).name]
        assert read == [0]
        return names + [event.name async for event in events]

    # Nothing in it waits: no loop is needed.
    with pytest.raises(StopIteration) as ended:
        taken().send(None)
    assert ended.value.value == ["keep_alive"] * 6
