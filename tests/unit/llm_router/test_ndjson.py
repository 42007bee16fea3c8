"""Lines come out of a byte stream whole, wherever it breaks."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from synapse_llm_router.adapters.ndjson import LineSplitter
from synapse_llm_router.adapters.sse import EventTooLong

lines = st.text(st.characters(codec="utf-8", exclude_characters="\r\n"), min_size=1, max_size=12).filter(str.strip)


def split(*pieces: bytes, limit: int = 10_000) -> list[bytes]:
    splitter = LineSplitter(max_event_bytes=limit)
    found = [event for piece in pieces for event in splitter.feed(piece)] + splitter.finish()
    assert all(name == b"" for name, _ in found)
    return [line for _, line in found]


@given(
    said=st.lists(lines, max_size=6),
    end=st.sampled_from(["\n", "\r\n", "\n\n"]),
    cuts=st.lists(st.integers(0, 200), max_size=8),
    ended=st.booleans(),
)
def test_lines_survive_any_break(*, said: list[str], end: str, cuts: list[int], ended: bool) -> None:
    text = (end.join(said) + (end if ended else "")).encode()
    edges = sorted({0, len(text), *(min(cut, len(text)) for cut in cuts)})
    pieces = [text[start:stop] for start, stop in pairwise(edges)]
    assert split(*pieces) == [line.encode().strip() for line in said]


def test_a_line_is_told_with_its_last_byte() -> None:
    splitter = LineSplitter(max_event_bytes=100)
    assert splitter.feed(b"{}") == []
    assert splitter.feed(b"\n") == [(b"", b"{}")]


@pytest.mark.parametrize("pieces", [[b"x" * 11], [b"x" * 6, b"x" * 6], [b"x" * 11 + b"\n"], [b"x" * 9, b"xx\n"]])
def test_a_line_that_is_too_long_is_refused(pieces: list[bytes]) -> None:
    with pytest.raises(EventTooLong) as caught:
        split(*pieces, limit=10)
    assert caught.value.limit == 10


def test_many_lines_may_be_longer_together() -> None:
    assert len(split(b"12345678\n" * 10, limit=10)) == 10
