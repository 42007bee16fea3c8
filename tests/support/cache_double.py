"""A double of the mesh behind the gateway: cache, embed and router services in one process, on the real protos.

What they answer is set by the test; what they were asked is kept.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from google.protobuf import duration_pb2
from pydantic import SecretStr

from synapse.cache.v1 import cache_pb2, entry_pb2, invalidation_pb2, outcome_pb2, transfer_pb2, trust_pb2
from synapse.embed.v1 import embed_pb2
from synapse.llm.v1 import generation_pb2
from synapse.router.v1 import router_pb2
from synapse_runtime.call import Call
from synapse_runtime.errors import NotFound
from synapse_runtime.server import Service, Serving, serving
from synapse_runtime.settings import MeshSettings

Step = cache_pb2.StreamGenerateResponse | float | Exception
"""One step of a streamed reply: a message, a pause in seconds, or a failure."""
EMBED_MODEL = "sentence-transformers/all-MiniLM-L6-v2"
EMBED_ALIAS = "mini"


def hit(tier: int = outcome_pb2.CACHE_TIER_L1, **fields: Any) -> outcome_pb2.Outcome:
    """The outcome of a hit."""
    return outcome_pb2.Outcome(
        **{
            "status": outcome_pb2.CACHE_STATUS_HIT,
            "tier": tier,
            "reason": "exact",
            "entry_id": "ent_1",
            "similarity": 1.0,
            "age": duration_pb2.Duration(seconds=188),
            "ttl": duration_pb2.Duration(seconds=3412),
            "key": "ab" * 32,
            "tokens_saved": 12,
            "latency": duration_pb2.Duration(nanos=412_000),
            **fields,
        }
    )


def miss(**fields: Any) -> outcome_pb2.Outcome:
    """The outcome of a miss that is stored."""
    made = {"status": outcome_pb2.CACHE_STATUS_MISS, "reason": "no_candidate", "stored": True, "key": "ab" * 32}
    return outcome_pb2.Outcome(**{**made, "latency": duration_pb2.Duration(nanos=300_000), **fields})


def bypass(reason: str = "no_store") -> outcome_pb2.Outcome:
    """The outcome of a bypass."""
    return outcome_pb2.Outcome(status=outcome_pb2.CACHE_STATUS_BYPASS, reason=reason)


def answer(text: str = "Paris.", *, model: str = "small", choices: int = 1) -> generation_pb2.Generation:
    """A complete answer."""
    made = generation_pb2.Generation(
        id="chatcmpl-upstream",
        model=model,
        usage=generation_pb2.Usage(prompt_tokens=9, completion_tokens=3, total_tokens=12),
        system_fingerprint="fp_1",
    )
    made.create_time.FromSeconds(1_700_000_000)
    for index in range(choices):
        made.choices.add(index=index, content=text, finish_reason=generation_pb2.FINISH_REASON_STOP)
    return made


def events(*pieces: str, model: str = "small", usage: bool = True) -> list[generation_pb2.GenerationEvent]:
    """A streamed answer: a role, the pieces, a reason, a usage."""
    first = generation_pb2.GenerationEvent(deltas=[generation_pb2.ChoiceDelta(role="assistant", content="")])
    first.head.id, first.head.model = "chatcmpl-upstream", model
    first.head.create_time.FromSeconds(1_700_000_000)
    first.head.system_fingerprint = "fp_1"
    made = [first]
    made += [generation_pb2.GenerationEvent(deltas=[generation_pb2.ChoiceDelta(content=piece)]) for piece in pieces]
    stop = generation_pb2.ChoiceDelta(finish_reason=generation_pb2.FINISH_REASON_STOP)
    made.append(generation_pb2.GenerationEvent(deltas=[stop]))
    if usage:
        counts = generation_pb2.Usage(prompt_tokens=9, completion_tokens=3, total_tokens=12)
        made.append(generation_pb2.GenerationEvent(usage=counts))
    return made


def message(
    *of: generation_pb2.GenerationEvent, outcome: outcome_pb2.Outcome | None = None
) -> cache_pb2.StreamGenerateResponse:
    """One message of a streamed reply."""
    return cache_pb2.StreamGenerateResponse(outcome=outcome, events=of)


async def _one_answer(_request: cache_pb2.GenerateRequest) -> cache_pb2.GenerateResponse:
    return cache_pb2.GenerateResponse(generation=answer(), outcome=miss())


@dataclass
class CacheDouble:
    """CacheService: `reply` answers whole requests, `script` streamed ones; `left` is set when a caller leaves."""

    reply: Callable[[cache_pb2.GenerateRequest], Awaitable[cache_pb2.GenerateResponse]] = _one_answer
    script: Sequence[Step] = ()
    failure: Exception | None = None
    requests: list[Any] = field(default_factory=list)
    calls: list[Call] = field(default_factory=list)
    left: asyncio.Event = field(default_factory=asyncio.Event)
    stats: cache_pb2.GetStatsResponse = field(default_factory=cache_pb2.GetStatsResponse)
    entries: Sequence[entry_pb2.Entry] = ()

    def _seen(self, request: Any, call: Call) -> None:
        self.requests.append(request)
        self.calls.append(call)
        if self.failure is not None:
            raise self.failure

    async def generate(self, request: cache_pb2.GenerateRequest, call: Call) -> cache_pb2.GenerateResponse:
        self._seen(request, call)
        try:
            return await self.reply(request)
        except asyncio.CancelledError:
            self.left.set()
            raise

    async def stream_generate(
        self, request: cache_pb2.StreamGenerateRequest, call: Call
    ) -> AsyncIterator[cache_pb2.StreamGenerateResponse]:
        self._seen(request, call)
        try:
            for step in self.script:
                if isinstance(step, Exception):
                    raise step
                if isinstance(step, float):
                    await asyncio.sleep(step)
                else:
                    yield step
        except (asyncio.CancelledError, GeneratorExit):
            self.left.set()
            raise

    async def lookup(self, request: cache_pb2.LookupRequest, call: Call) -> cache_pb2.LookupResponse:
        self._seen(request, call)
        return cache_pb2.LookupResponse(outcome=miss())

    async def store(self, request: cache_pb2.StoreRequest, call: Call) -> cache_pb2.StoreResponse:
        self._seen(request, call)
        return cache_pb2.StoreResponse(stored=True, entry_id="ent_2", key="cd" * 32)

    async def get_entry(self, request: cache_pb2.GetEntryRequest, call: Call) -> cache_pb2.GetEntryResponse:
        self._seen(request, call)
        if request.id == "none":
            raise NotFound("there is no entry of that id", reason="ENTRY_NOT_FOUND")
        return cache_pb2.GetEntryResponse(entry=entry_pb2.Entry(id=request.id, tenant=call.identity.tenant))

    async def delete_entry(self, request: cache_pb2.DeleteEntryRequest, call: Call) -> cache_pb2.DeleteEntryResponse:
        self._seen(request, call)
        return cache_pb2.DeleteEntryResponse(removed=1)

    async def invalidate(
        self, request: invalidation_pb2.InvalidateRequest, call: Call
    ) -> invalidation_pb2.InvalidateResponse:
        self._seen(request, call)
        return invalidation_pb2.InvalidateResponse(removed=3)

    async def report_feedback(
        self, request: trust_pb2.ReportFeedbackRequest, call: Call
    ) -> trust_pb2.ReportFeedbackResponse:
        self._seen(request, call)
        return trust_pb2.ReportFeedbackResponse(effect="split", removed=1)

    async def export_entries(
        self, request: transfer_pb2.ExportEntriesRequest, call: Call
    ) -> AsyncIterator[transfer_pb2.ExportEntriesResponse]:
        self._seen(request, call)
        for entry in self.entries:
            yield transfer_pb2.ExportEntriesResponse(entry=entry)

    async def import_entries(
        self, requests: AsyncIterator[transfer_pb2.ImportEntriesRequest], call: Call
    ) -> transfer_pb2.ImportEntriesResponse:
        reply = transfer_pb2.ImportEntriesResponse()
        async for request in requests:
            self._seen(request, call)
            reply.refused += bool(request.unreadable)
            reply.imported += not request.unreadable
            reply.errors.extend([f"line {request.line}: {request.unreadable}"] if request.unreadable else ())
        return reply

    async def get_stats(self, request: cache_pb2.GetStatsRequest, call: Call) -> cache_pb2.GetStatsResponse:
        self._seen(request, call)
        return self.stats


@dataclass
class EmbedDouble:
    """EmbedService: the vector of a text is its length and its position; the longest document ranks first."""

    requests: list[embed_pb2.EmbedRequest] = field(default_factory=list)
    ranked: list[embed_pb2.RerankRequest] = field(default_factory=list)
    known: int = 0
    failure: Exception | None = None

    async def embed(self, request: embed_pb2.EmbedRequest, _call: Call) -> embed_pb2.EmbedResponse:
        self.requests.append(request)
        if self.failure is not None:
            raise self.failure
        made = embed_pb2.EmbedResponse(model=request.model, token_count=len(request.inputs), cached_count=self.known)
        for number, text in enumerate(request.inputs):
            made.embeddings.add(values=[float(len(text)), float(number), 0.1], token_count=1)
        return made

    async def rerank(self, request: embed_pb2.RerankRequest, _call: Call) -> embed_pb2.RerankResponse:
        self.ranked.append(request)
        if self.failure is not None:
            raise self.failure
        made = embed_pb2.RerankResponse(model=request.model, token_count=len(request.documents) + 1)
        order = sorted(range(len(request.documents)), key=lambda number: -len(request.documents[number]))
        for number in order[: request.top_n or None]:
            made.results.add(index=number, score=float(len(request.documents[number])))
        return made

    async def list_models(self, _request: embed_pb2.ListModelsRequest, _call: Call) -> embed_pb2.ListModelsResponse:
        if self.failure is not None:
            raise self.failure
        model = embed_pb2.EmbedModel(id=EMBED_MODEL, dimension=3, aliases=[EMBED_ALIAS])
        return embed_pb2.ListModelsResponse(models=[model])


@dataclass
class RouterDouble:
    """RouterService: answers "Paris.", lists models, and counts a token for each message."""

    models: Sequence[str] = ("small", "meta-llama/Llama-3-8B")
    estimated: bool = False
    failure: Exception | None = None
    requests: list[router_pb2.CountTokensRequest] = field(default_factory=list)

    async def count_tokens(self, request: router_pb2.CountTokensRequest, _call: Call) -> router_pb2.CountTokensResponse:
        self.requests.append(request)
        if self.failure is not None:
            raise self.failure
        return router_pb2.CountTokensResponse(input_tokens=len(request.request.messages), estimated=self.estimated)

    async def generate(self, _request: router_pb2.GenerateRequest, _call: Call) -> router_pb2.GenerateResponse:
        return router_pb2.GenerateResponse(generation=answer())

    async def stream_generate(
        self, _request: router_pb2.StreamGenerateRequest, _call: Call
    ) -> AsyncIterator[router_pb2.StreamGenerateResponse]:
        for event in events("Par", "is."):
            yield router_pb2.StreamGenerateResponse(events=[event])

    async def list_models(self, _request: router_pb2.ListModelsRequest, _call: Call) -> router_pb2.ListModelsResponse:
        made = router_pb2.ListModelsResponse()
        for name in self.models:
            made.models.add(id=name, owned_by="vllm", backends=["local"]).create_time.FromSeconds(1_700_000_000)
        return made


@dataclass
class MeshDouble:
    """The three services and the server that they run on."""

    server: Serving
    cache: CacheDouble
    embed: EmbedDouble
    router: RouterDouble

    @property
    def target(self) -> str:
        """Where all three are reached."""
        return f"127.0.0.1:{self.server.port}"


@asynccontextmanager
async def mesh_double(*, secret: str = "", port: int = 0) -> AsyncIterator[MeshDouble]:
    """Serve the doubles on a free loopback port until the block ends."""
    cache, embed, router = CacheDouble(), EmbedDouble(), RouterDouble()
    services = [
        Service(cache_pb2.DESCRIPTOR.services_by_name["CacheService"], cache),
        Service(embed_pb2.DESCRIPTOR.services_by_name["EmbedService"], embed),
        Service(router_pb2.DESCRIPTOR.services_by_name["RouterService"], router),
    ]
    mesh = MeshSettings(secret=SecretStr(secret), drain_seconds=0.1)
    async with serving(f"127.0.0.1:{port}", services, mesh=mesh) as server:
        await server.set_ready(ready=True)
        yield MeshDouble(server, cache, embed, router)
