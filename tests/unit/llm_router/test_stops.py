"""A stop text never shows, and nothing else is lost."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from synapse_llm_router.adapters.stops import StopCutter, without_stop

pieces = st.lists(st.text("abc", max_size=4), max_size=8)
stops = st.lists(st.text("abc", min_size=1, max_size=3), max_size=3)


def told(said: list[str], ends: list[str]) -> tuple[str, list[int], str]:
    cutter: StopCutter[int] = StopCutter(ends)
    text, tokens = "", []
    for number, piece in enumerate(said):
        more, known = cutter.add(piece, number)
        text, tokens = text + more, tokens + known
    rest, known, stop = cutter.end()
    return text + rest, tokens + known, stop


@given(pieces, stops)
def test_a_stream_says_what_the_whole_says(said: list[str], ends: list[str]) -> None:
    text, _, stop = told(said, ends)
    assert (text, stop) == without_stop("".join(said), ends)


@given(pieces, stops)
def test_what_may_become_a_stop_is_held_back(said: list[str], ends: list[str]) -> None:
    cutter: StopCutter[int] = StopCutter(ends)
    text, so_far = "", ""
    for piece in said:
        text, so_far = text + cutter.add(piece)[0], so_far + piece
        assert len(text) <= len(without_stop(so_far, ends)[0])


@given(pieces, stops)
def test_tokens_go_with_their_text(said: list[str], ends: list[str]) -> None:
    text, tokens, stop = told(said, ends)
    starts = [len("".join(said[:number])) for number in range(len(said))]
    expected = [number for number, start in enumerate(starts) if start < len(text) or not stop]
    assert tokens == expected


def test_without_stops_nothing_waits() -> None:
    assert StopCutter[int](()).add("abc", 1) == ("abc", [1])
