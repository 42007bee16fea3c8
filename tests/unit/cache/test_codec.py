"""Entries as bytes: nothing is lost, nothing foreign is taken for an entry."""

from __future__ import annotations

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from synapse.cache.v1 import entry_pb2
from synapse.llm.v1 import generation_pb2
from synapse_cache.adapters.codec import CorruptEntry, decode, encode
from tests.support.entries import an_entry

TEXT = st.text(st.characters(codec="utf-8"), max_size=50)
TIME = st.floats(min_value=0, max_value=4e9)
ENTRIES = st.builds(
    dataclasses.replace,
    st.just(an_entry()),
    id=TEXT,
    key=TEXT,
    tenant=TEXT,
    namespace=TEXT,
    epoch=st.integers(0, 2**63 - 1),
    prompt=st.none() | TEXT,
    answer=st.binary(max_size=300),
    tokens=st.integers(0, 2**63 - 1),
    stale_until=st.sampled_from([0.0, 1_795_090_000.5]),
    tags=st.lists(TEXT, max_size=3).map(tuple),
)
SURVIVES_ROUNDING = 1e-9


@given(ENTRIES)
def test_an_entry_comes_back_as_it_was(entry):
    assert decode(encode(entry)) == entry


@given(TIME, TIME, TIME)
def test_times_keep_microseconds(created_at, expires_at, semantic_expires_at):
    entry = an_entry(created_at=created_at, expires_at=expires_at, semantic_expires_at=semantic_expires_at)
    back = decode(encode(entry))
    for name in ("created_at", "expires_at", "semantic_expires_at"):
        assert getattr(back, name) == pytest.approx(getattr(entry, name), abs=SURVIVES_ROUNDING, rel=0)


def test_times_of_this_century_come_back_exactly():
    entry = an_entry(created_at=1_795_432_101.123457, expires_at=1_795_432_101.9999998)
    assert decode(encode(entry)) == entry


def test_the_body_is_the_message_of_the_wire():
    answer = generation_pb2.Generation(id="a1", model="m")
    body = entry_pb2.Entry.FromString(encode(an_entry(answer=answer.SerializeToString()))[24:])
    assert (body.generation, body.tenant) == (answer, an_entry().tenant)


@given(ENTRIES, st.data())
def test_one_flipped_bit_is_noticed(entry, data):
    encoded = bytearray(encode(entry))
    position = data.draw(st.integers(0, len(encoded) * 8 - 1))
    encoded[position // 8] ^= 1 << position % 8
    with pytest.raises(CorruptEntry):
        decode(bytes(encoded))


@given(ENTRIES, st.data())
def test_a_cut_is_noticed(entry, data):
    encoded = encode(entry)
    with pytest.raises(CorruptEntry):
        decode(encoded[: data.draw(st.integers(0, len(encoded) - 1))])


@pytest.mark.parametrize("foreign", [b"", b"SYE1", b"{}", b"\x80\x04pickle", b"SYE0" + bytes(40), b"x" * 5000])
def test_foreign_bytes_are_refused(foreign):
    with pytest.raises(CorruptEntry):
        decode(foreign)
