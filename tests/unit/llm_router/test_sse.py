"""Events come out of a byte stream whole, wherever it breaks and however its lines end."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from synapse_llm_router.adapters.sse import EventSplitter, EventTooLong

lines = st.text(st.characters(codec="utf-8", exclude_characters="\r\n"), max_size=12)
contents = st.lists(st.lists(lines, min_size=1, max_size=3), max_size=6)


def split(*pieces: bytes, limit: int = 10_000) -> list[tuple[bytes, bytes]]:
    splitter = EventSplitter(max_event_bytes=limit)
    return [event for piece in pieces for event in splitter.feed(piece)] + splitter.finish()


@given(
    contents,
    st.sampled_from(["\n", "\r\n", "\r"]),
    st.lists(st.integers(0, 500), max_size=8),
    st.sampled_from(["", ": ping"]),
)
def test_events_survive_any_break_and_line_end(said: list[list[str]], end: str, cuts: list[int], comment: str) -> None:
    blocks = ["".join(f"data: {line}{end}" for line in event) + end for event in said]
    text = (comment and comment + end + end).join(["", *blocks, ""]).encode()
    edges = sorted({0, len(text), *(min(cut, len(text)) for cut in cuts)})
    pieces = [text[start:stop] for start, stop in pairwise(edges)]
    assert split(*pieces) == [(b"", "\n".join(event).encode()) for event in said]


@given(st.lists(st.binary(max_size=40), max_size=10))
def test_no_bytes_break_it(pieces: list[bytes]) -> None:
    joined = split(b"".join(pieces))
    assert split(*pieces) == joined


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"])
def test_an_event_is_told_with_its_last_byte(end: bytes) -> None:
    splitter = EventSplitter(max_event_bytes=100)
    assert splitter.feed(b"data: a" + end) == []
    assert splitter.feed(end) == [(b"", b"a")]


def test_names_are_told_and_forgotten() -> None:
    assert split(b"event: error\ndata: a\n\ndata: b\n\nevent: x\n\ndata: c\n\n") == [
        (b"error", b"a"),
        (b"", b"b"),
        (b"", b"c"),
    ]


def test_unknown_fields_comments_and_a_mark_at_the_start_are_skipped() -> None:
    assert split(b"\xef\xbb\xbfdata: a\nid: 7\nretry: 9\n: note\ndata\ndata:b\n\n") == [(b"", b"a\n\nb")]


def test_a_forgotten_last_blank_line_is_forgiven() -> None:
    assert split(b"data: a\n\ndata: [DO", b"NE]") == [(b"", b"a"), (b"", b"[DONE]")]


@pytest.mark.parametrize("pieces", [[b"x" * 101], [b"x" * 60] * 2, [b"data: " + b"x" * 60 + b"\n"] * 2])
def test_what_is_too_long_is_refused(pieces: list[bytes]) -> None:
    with pytest.raises(EventTooLong):
        split(*pieces, limit=100)


def test_many_small_events_in_one_piece_are_not_too_long() -> None:
    assert len(split(b"data: x\n\n" * 1000, limit=100)) == 1000
