"""Filters of Milvus say exactly what was asked."""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from synapse_cache.adapters.vectors_milvus_rows import expired, live_in
from synapse_cache.model import Place


@given(st.floats(0, 4e9))
def test_the_time_in_a_filter_is_the_time_asked_about(now: float) -> None:
    for told in (live_in(Place("acme"), "scope", now), expired(now)):
        found = re.search(r"expires_at (?:>|<=) (\S+)$", told)
        assert found is not None
        assert float(found[1]) == now


@given(st.text(max_size=20), st.text(max_size=20))
def test_no_name_of_a_caller_reaches_a_filter(tenant: str, namespace: str) -> None:
    told = live_in(Place(tenant, namespace), "scope", 1.0)
    assert re.fullmatch(r"tenant == '\w+' and spot == '\w+' and part == 0 and expires_at > 1\.0", told)
