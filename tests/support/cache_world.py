"""The whole cache in one process on its in-memory adapters, with an upstream whose answers a test scripts."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np

from synapse.llm.v1 import generation_pb2 as llm
from synapse.llm.v1.request_pb2 import GenerationRequest
from synapse_cache.adapters.answers import answer_of
from synapse_cache.adapters.assembly import EventAssembler
from synapse_cache.adapters.exact_memory import MemoryExactStore
from synapse_cache.adapters.feedback_memory import MemoryFeedbackLedger
from synapse_cache.adapters.journal_memory import MemoryJournal
from synapse_cache.adapters.leases_memory import MemoryLeases
from synapse_cache.adapters.questions import QuestionRules, question_of
from synapse_cache.adapters.thresholds_memory import MemoryThresholdStore
from synapse_cache.adapters.traces_memory import MemoryTraceStore
from synapse_cache.adapters.trail_memory import MemoryTrail
from synapse_cache.adapters.trust_memory import MemoryTrustStore
from synapse_cache.adapters.vectors_memory import MemoryVectorStore
from synapse_cache.backfill import Backfill
from synapse_cache.decision import Calibration, VerifiedDecision
from synapse_cache.decision.verified import Ask
from synapse_cache.explaining.explaining import Explaining
from synapse_cache.feedback.feedback import Feedback, FeedbackRules
from synapse_cache.feedback.traces import Traces
from synapse_cache.flights.sharing import Sharing, SharingRules
from synapse_cache.followers import Follower
from synapse_cache.invalidation.broadcast import Broadcast
from synapse_cache.invalidation.holdings import Holdings
from synapse_cache.invalidation.invalidation import Invalidation
from synapse_cache.invalidation.recalls import Recalls
from synapse_cache.invalidation.removal import Removal
from synapse_cache.invalidation.trail import Trail
from synapse_cache.lookup import Lookup, LookupRules, Stores
from synapse_cache.model import Answer, Caller, Embedding, Outcome, Place, Policy, Question
from synapse_cache.near import NearCache
from synapse_cache.overlay import RecentWrites
from synapse_cache.ports import ExactStore, Judge, StoreUnavailable, TrustStore, VectorStore
from synapse_cache.privacy.privacy import PersonalData
from synapse_cache.privacy.probing import Probing, ProbingRules
from synapse_cache.read_through import ReadThrough, Served, ServingRules
from synapse_cache.reembedding.spaces import Spaces
from synapse_cache.stats import Stats
from synapse_cache.thresholds.threshold_book import ThresholdBook
from synapse_cache.thresholds.thresholds import Thresholds
from synapse_cache.trust.trust import Trust
from synapse_cache.vector_space import VectorSpace
from synapse_cache.writer import Writer, WriteRules
from synapse_embed.adapters.hashing import HashingModel
from synapse_runtime.background import background
from synapse_runtime.guard import Guard
from tests.support.checks import Checked, Checks
from tests.support.clock import Clock

CALIBRATION = Calibration(8.0, 0.85, (0.0, 4.0), (0.0, 4.0), 0.003)
"""Of no model: rises with the score, and is as sure of what the texts settle as the one that ships."""
RULES = QuestionRules(1.0, PersonalData.EXACT_ONLY)


async def unsure(_asked: str, _stored: str) -> float | None:
    """A verifier that has no word, so that the texts alone decide."""
    return None


def a_request(
    text: str = "What is the capital of France?", *, model: str = "m", **sampling: float
) -> GenerationRequest:
    """A chat request of one user message."""
    request = GenerationRequest(model=model)
    request.messages.add(role="user", text=text)
    for name, value in sampling.items():
        setattr(request.sampling, name, value)
    return request


def a_generation(text: str = "Paris.", *, finish: llm.FinishReason = llm.FINISH_REASON_STOP) -> llm.Generation:
    """An answer of one choice."""
    generation = llm.Generation(id="up-1", model="m-2026")
    generation.choices.add(content=text, finish_reason=finish)
    generation.usage.total_tokens = 12
    return generation


class HashingEmbedder:
    """The cache's embedder on hashed words; `down` makes it fail."""

    def __init__(self) -> None:
        self._model = HashingModel()
        self.down = False
        self.delay_seconds = 0.0
        self.calls = 0
        self.space = self._model.card.fingerprint

    async def embed(self, text: str) -> Embedding:
        self.calls += 1
        if self.down:
            raise StoreUnavailable("embed is down")
        await asyncio.sleep(self.delay_seconds)
        tokens = self._model.tokenise(text)
        vector = np.frombuffer(self._model.encode([tokens])[0], dtype=np.float32)
        return Embedding(vector, self.space, tokens.truncated)

    async def describe(self) -> tuple[str, int]:
        return self.space, self._model.card.dimension


@dataclass
class ScriptedUpstream:
    """A backend that says what the test tells it to; `gate` holds every answer back until it is set."""

    generation: llm.Generation = field(default_factory=a_generation)
    error: Exception | None = None
    error_after: int | None = None
    gate: asyncio.Event | None = None
    calls: int = 0
    cancelled: int = 0

    async def generate(self, question: Question, *, caller: Caller) -> Answer:
        self.calls += 1
        await self._pass_gate()
        if self.error is not None:
            raise self.error
        return answer_of(self.generation)

    async def stream(self, question: Question, *, caller: Caller) -> AsyncGenerator[list[llm.GenerationEvent], None]:
        from synapse_cache.adapters.replay import events_of

        self.calls += 1
        for position, event in enumerate(events_of(self.generation)):
            if self.error is not None and position == (self.error_after or 0):
                raise self.error
            yield [event]
            await self._pass_gate()

    async def _pass_gate(self) -> None:
        if self.gate is None:
            await asyncio.sleep(0)
            return
        try:
            await self.gate.wait()
        except asyncio.CancelledError:
            self.cancelled += 1
            raise


@dataclass
class Together:
    """What the replicas of one cache share, each of them a world of its own."""

    clock: Clock = field(default_factory=Clock)
    upstream: ScriptedUpstream = field(default_factory=ScriptedUpstream)
    leases: MemoryLeases = field(default_factory=MemoryLeases)
    rules: SharingRules = field(default_factory=SharingRules)
    trust_store: TrustStore = field(default_factory=MemoryTrustStore)
    vectors: VectorStore | None = None

    def __post_init__(self) -> None:
        self.exact: ExactStore = MemoryExactStore(clock=self.clock)
        self.trail: Trail = MemoryTrail(clock=self.clock)


@dataclass
class CacheWorld:
    """The cache and everything around it."""

    cache: ReadThrough
    invalidation: Invalidation
    writer: Writer
    lookup: Lookup
    upstream: ScriptedUpstream
    embedder: HashingEmbedder
    stores: Stores
    journal: MemoryJournal
    recent: RecentWrites
    stats: Stats
    clock: Clock
    thresholds: ThresholdBook
    trust: Trust
    traces: Traces
    feedback: Feedback
    checks: Checks
    broadcast: Broadcast
    explaining: Explaining
    recalls: Recalls

    async def ask(
        self,
        request: GenerationRequest | str,
        *,
        tenant: str = "acme",
        namespace: str = "default",
        policy: Policy | None = None,
        request_id: str = "req-1",
        subject: str = "key-1",
        rules: QuestionRules = RULES,
    ) -> Served:
        question = question_of(a_request(request) if isinstance(request, str) else request, rules)
        caller = a_caller(tenant, subject=subject, request_id=request_id)
        return await self.cache.generate(question, Place(tenant, namespace), policy or Policy(), caller)

    async def ask_streamed(
        self, request: GenerationRequest | str, *, policy: Policy | None = None
    ) -> tuple[Outcome, list[bytes | list[object]]]:
        question = question_of(a_request(request) if isinstance(request, str) else request, RULES)
        parts = self.cache.stream(question, Place("acme"), policy or Policy(), a_caller("acme"))
        outcome, rest = None, []
        async for part in parts:
            if isinstance(part, Outcome):
                outcome = part
            else:
                rest.append(part)
        assert outcome is not None
        return outcome, rest

    async def settled(self) -> None:
        """Wait until every accepted answer is in every store."""
        await self.writer.drain(seconds=5)
        assert await self.journal.pending_count() == 0


def a_caller(
    tenant: str = "acme", *, subject: str = "key-1", role: str = "viewer", request_id: str = "req-1"
) -> Caller:
    """Somebody who asks."""
    return Caller(tenant, subject, role, request_id)


async def _a_store(common: VectorStore | None, _fingerprint: str, _dimension: int) -> VectorStore:
    return common or MemoryVectorStore()


async def _stores(common: Together, embedder: HashingEmbedder) -> Stores:
    space = VectorSpace(embedder, partial(_a_store, common.vectors))
    await space.open()
    guards = [Guard(n, budget_seconds=1, failures=(StoreUnavailable,)) for n in ("redis", "vectors", "embed")]
    return Stores(common.exact, Spaces(space), embedder, *guards)


async def _invalidation(
    common: Together, stores: Stores, holdings: Holdings, journal: MemoryJournal
) -> tuple[Invalidation, Broadcast]:
    """What takes answers back, and what hears of it, caught up."""
    replica, removal = secrets.token_hex(4), Removal(stores, holdings, clock=common.clock)
    space = stores.vectors
    broadcast = Broadcast(common.trail, holdings, removal, space, journal, replica=replica, clock=common.clock)
    await broadcast.catch_up(seconds=1)
    return Invalidation(stores, holdings, removal, common.trail, replica=replica, clock=common.clock), broadcast


def _feedback(common: Together, invalidation: Invalidation, trust: Trust, traces: Traces) -> Feedback:
    ledger = MemoryFeedbackLedger(clock=common.clock)
    rules = FeedbackRules()
    return Feedback(invalidation, common.exact, trust, traces, ledger=ledger, rules=rules, clock=common.clock)


def _read_through(
    common: Together, stores: Stores, lookup: Lookup, writer: Writer, stats: Stats, **parts: Any
) -> ReadThrough:
    backfill, upstream = Backfill(stores), common.upstream
    return ReadThrough(lookup, writer, backfill, upstream, stats, assembler=EventAssembler, clock=common.clock, **parts)


@asynccontextmanager
async def cache_world(
    *,
    near_entries: int = 0,
    semantic: bool = True,
    hedge_after_seconds: float | None = None,
    followers: Sequence[Follower] = (),
    together: Together | None = None,
    judge: Judge | None = None,
    verify: Ask = unsure,
    probing: ProbingRules | None = None,
    pad_hits_seconds: float = 0.0,
) -> AsyncIterator[CacheWorld]:
    """The cache running in this process; one of several replicas of it where they are `together`."""
    common, embedder = together or Together(), HashingEmbedder()
    clock, upstream, stores = common.clock, common.upstream, await _stores(common, embedder)
    journal, trust, stats = MemoryJournal(), Trust(), Stats()
    thresholds = ThresholdBook(Thresholds(0.5, 0.5, 3600, 7200), MemoryThresholdStore())
    recent, near, recalls = RecentWrites(capacity=100, seconds=60), NearCache(capacity=near_entries), Recalls()
    writer = Writer(stores, journal, recent, WriteRules(thresholds, semantic), recalls=recalls, clock=clock)
    decision, rules = VerifiedDecision(CALIBRATION, verify, seconds=5), LookupRules(thresholds, semantic, 8)
    lookup = Lookup(stores, decision, trust, recent, rules, near=near, recalls=recalls, clock=clock)
    sharing = Sharing(common.leases, stores, writer, common.rules) if together else None
    traces, limit = Traces(MemoryTraceStore(clock=clock), clock=clock), Probing(probing or ProbingRules(), clock=clock)
    checks = Checks(Checked(trust, thresholds, stores, writer, upstream, common.trust_store, clock, judge))
    cache = _read_through(
        common,
        stores,
        lookup,
        writer,
        stats,
        followers=(checks.auditing, checks.hindsight, traces, limit, *followers),
        rules=ServingRules(30, hedge_after_seconds, pad_hits_seconds),
        sharing=sharing,
        probing=limit,
    )
    holdings = Holdings(recent, writer, lookup, near=near, recalls=recalls)
    invalidation, broadcast = await _invalidation(common, stores, holdings, journal)
    hearing = {"broadcast": broadcast.run, "sweeps": broadcast.sweep, **({"sharing": sharing.run} if sharing else {})}
    async with background(writer=writer.run, **checks.work, **hearing):
        yield CacheWorld(
            cache,
            invalidation,
            writer,
            lookup,
            upstream,
            embedder,
            stores,
            journal,
            recent,
            stats,
            clock,
            thresholds,
            trust,
            traces,
            _feedback(common, invalidation, trust, traces),
            checks,
            broadcast,
            Explaining(cache, lookup, decision, trust, thresholds),
            recalls,
        )
