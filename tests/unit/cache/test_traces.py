"""What was served to which wording, as feedback finds it."""

from __future__ import annotations

from synapse_cache.adapters.traces_memory import MemoryTraceStore
from synapse_cache.decision import Candidate, Judged, Verdict
from synapse_cache.feedback.traces import Trace, Traces
from synapse_cache.lookup import Found
from synapse_cache.model import Hit, Miss, Outcome, Place, Policy, Question, Status, Tier
from synapse_cache.ports import StoreUnavailable
from tests.support.cache_world import a_caller
from tests.support.clock import Clock
from tests.support.entries import a_live_entry

ASKED, OWN = "d" * 64, "a" * 64
TEXT = "what's the capital of France?"
HERE = Place("acme", epoch=1)
ENTRY = a_live_entry()


class DownStore(MemoryTraceStore):
    """A store that takes nothing and knows nothing."""

    async def note(self, tenant: str, traces: object) -> None:
        raise StoreUnavailable("down")


def serve(traces: Traces, request_id: str, *, key: str = ASKED, tier: Tier = Tier.L2) -> None:
    """Serve ENTRY to a request, decided now where the tier is L2."""
    candidate = Candidate(ENTRY.id, ENTRY.prompt or "", 0.9)
    verdict = Verdict(candidate, "semantic", (Judged(candidate, traits=(1.5, 0.0)),)) if tier is Tier.L2 else None
    found = Found(Hit(ENTRY, tier, 0.9, "semantic", verdict=verdict), HERE)
    question = Question(key, "b" * 64, "m", TEXT, payload=None)
    outcome = Outcome(Status.HIT, "semantic", key, tier, ENTRY.id)
    traces.served(question, found, outcome, Policy(), a_caller(request_id=request_id))


async def found(traces: Traces, request_id: str = "", prompt: str = "") -> Trace | None:
    return await traces.find("acme", ENTRY.id, request_id=request_id, prompt=prompt)


async def test_what_was_served_is_found_by_its_request_and_by_its_text() -> None:
    traces = Traces(MemoryTraceStore())
    serve(traces, "r1")
    by_request, by_text = await found(traces, "r1"), await found(traces, prompt=TEXT)
    assert by_request == by_text
    assert by_request is not None
    assert (by_request.asked, by_request.entry_key, by_request.traits) == (ASKED, OWN, (1.5, 0.0))


async def test_an_alias_has_the_traits_of_the_decision_that_made_it() -> None:
    traces = Traces(MemoryTraceStore())
    serve(traces, "r1")
    serve(traces, "r2", tier=Tier.L1)
    trace = await found(traces, "r2")
    assert trace is not None
    assert (trace.tier, trace.traits) == ("L1", (1.5, 0.0))


async def test_another_replica_finds_it_once_it_is_written() -> None:
    store = MemoryTraceStore()
    here, there = Traces(store), Traces(store)
    serve(here, "r1")
    assert await found(there, "r1") is None
    await here.drain()
    assert await found(there, "r1") == await found(here, "r1")


async def test_an_answer_to_its_own_wording_leaves_no_trace() -> None:
    traces = Traces(MemoryTraceStore())
    serve(traces, "r1", key=OWN, tier=Tier.L1)
    assert await found(traces, "r1", TEXT) is None


async def test_what_was_not_served_leaves_no_trace() -> None:
    traces = Traces(MemoryTraceStore())
    question = Question(ASKED, "b" * 64, "m", TEXT, payload=None)
    missed = Outcome(Status.MISS, "shadow", ASKED, shadow=True)
    shadowed = Found(Hit(ENTRY, Tier.L2, 0.9, "semantic"), HERE, shadow=True)
    for result in (shadowed, Found(Miss("no_candidate"), HERE)):
        traces.served(question, result, missed, Policy(), a_caller())
    assert await found(traces, "req-1", TEXT) is None


async def test_a_trace_is_gone_after_a_day() -> None:
    clock = Clock()
    traces = Traces(MemoryTraceStore(clock=clock), clock=clock)
    serve(traces, "r1")
    await traces.drain()
    clock.advance(86_400)
    assert await found(traces, "r1") is None


async def test_a_dead_store_leaves_what_is_known_here() -> None:
    traces = Traces(DownStore())
    serve(traces, "r1")
    await traces.drain()
    assert await found(traces, "r1") is not None


async def test_no_text_is_kept() -> None:
    store = MemoryTraceStore()
    traces = Traces(store)
    serve(traces, "r1")
    await traces.drain()
    assert "capital" not in repr(vars(store))
    assert "capital" not in repr(vars(traces))
