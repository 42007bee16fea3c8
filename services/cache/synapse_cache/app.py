"""The cache service put together; the only place that knows its concretes."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from synapse.cache.v1 import cache_pb2
from synapse_cache.adapters.assembly import EventAssembler
from synapse_cache.adapters.embed_grpc import GrpcEmbedders
from synapse_cache.adapters.journal_file import FileJournal
from synapse_cache.adapters.router_grpc import GrpcUpstream
from synapse_cache.adapters.verifying import opened_decision
from synapse_cache.assembly.analytics import analytics
from synapse_cache.assembly.audits import Audited, audits
from synapse_cache.assembly.invalidating import invalidating, near_cache
from synapse_cache.assembly.learning import learning
from synapse_cache.assembly.privacy import opened_probing, question_rules
from synapse_cache.assembly.serving import coalescing, opened_sharing, serving_rules
from synapse_cache.assembly.statistics import shared_tallies
from synapse_cache.assembly.stores import opened_stores
from synapse_cache.assembly.thresholds import threshold_book
from synapse_cache.assembly.transfer import transfer
from synapse_cache.backfill import Backfill
from synapse_cache.explaining.explaining import Explaining
from synapse_cache.invalidation.holdings import Holdings
from synapse_cache.invalidation.recalls import Recalls
from synapse_cache.lookup import Lookup, LookupRules
from synapse_cache.overlay import RecentWrites
from synapse_cache.read_through import ReadThrough
from synapse_cache.report import Report
from synapse_cache.rpc.entries import EntriesRpc
from synapse_cache.rpc.explain import ExplainRpc
from synapse_cache.rpc.feedback import FeedbackRpc
from synapse_cache.rpc.invalidations import InvalidationsRpc
from synapse_cache.rpc.serving import ServingRpc
from synapse_cache.rpc.statistics import StatisticsRpc
from synapse_cache.rpc.thresholds import ThresholdsRpc
from synapse_cache.stats import Stats
from synapse_cache.trust.trust import Trust
from synapse_cache.writer import Writer, WriteRules
from synapse_runtime.background import background
from synapse_runtime.channel import CallMetadata, open_channel
from synapse_runtime.probes import probes
from synapse_runtime.server import Service, serving
from synapse_runtime.settings import SettingsError

if TYPE_CHECKING:
    from synapse_cache.settings import CacheSettings
    from synapse_runtime.settings import MeshSettings

SERVICE = cache_pb2.DESCRIPTOR.services_by_name["CacheService"]
_DRAIN_SECONDS = 5.0
_EMBED_TIMEOUT_SECONDS = 5.0
_MILVUS_LAG_SECONDS = 10.0  # bounded consistency shows a row after 5 s at most, and a margin
_log = logging.getLogger("synapse.cache")


@dataclass
class Running:
    """A running cache service: the ports it listens on."""

    grpc_port: int
    http_port: int
    ready: bool = False


@asynccontextmanager
async def run(settings: CacheSettings, mesh: MeshSettings) -> AsyncIterator[Running]:
    """Serve until the block ends, then write what was accepted.

    Ready at once: a store that is down makes misses, it does not keep the service from serving. Raises SettingsError
    for contradictions, OSError when an address or the data folder cannot be had.
    """
    _check(settings)
    async with AsyncExitStack() as stack:
        running = Running(0, stack.enter_context(probes(settings.probes, ready=lambda: running.ready)))
        faces = await stack.enter_async_context(_cache(settings, mesh))
        server = await stack.enter_async_context(serving(settings.listen, [Service(SERVICE, *faces)], mesh=mesh))
        running.grpc_port = server.port
        await server.set_ready(ready=True)
        running.ready = True
        _log.info("ready", extra={"vectors": settings.vectors})
        yield running
        running.ready = False


@asynccontextmanager
async def _cache(settings: CacheSettings, mesh: MeshSettings) -> AsyncIterator[tuple[object, ...]]:
    """The faces of the cache; what was accepted is written when the block ends."""
    async with AsyncExitStack() as stack:
        metadata = CallMetadata(mesh)
        embed = await stack.enter_async_context(open_channel(mesh.embed_target, tls=mesh.tls))
        router = await stack.enter_async_context(open_channel(mesh.router_target, retries=False, tls=mesh.tls))
        embedders = GrpcEmbedders(embed, metadata, timeout_seconds=_EMBED_TIMEOUT_SECONDS)
        stores, moved = await stack.enter_async_context(opened_stores(settings, embedders))
        journal = await _open_journal(settings)
        stack.push_async_callback(journal.close)
        recent = _recent(settings)
        thresholds = await stack.enter_async_context(threshold_book(settings))
        near, recalls = near_cache(settings), Recalls()
        writer = Writer(stores, journal, recent, WriteRules(thresholds, settings.semantic), recalls=recalls)
        backfill, stats = Backfill(stores), Stats()
        stack.push_async_callback(backfill.drain, seconds=_DRAIN_SECONDS)
        trust = Trust()
        rules = LookupRules(thresholds, settings.semantic, settings.max_candidates)
        decision = await stack.enter_async_context(opened_decision(settings.verifier))
        lookup = Lookup(stores, decision, trust, recent, rules, near=near, recalls=recalls)
        holdings = Holdings(recent, writer, lookup, near=near, recalls=recalls)
        invalidation, broadcast = await stack.enter_async_context(invalidating(settings, stores, journal, holdings))
        await stack.enter_async_context(background(writer=writer.run))
        stack.push_async_callback(writer.drain, seconds=_DRAIN_SECONDS)
        upstream = GrpcUpstream(router, metadata, timeout_seconds=settings.upstream_timeout_seconds)
        told = await stack.enter_async_context(analytics(settings, thresholds))
        tallies = await stack.enter_async_context(shared_tallies(settings, stats))
        audited = Audited(trust, thresholds, stores, writer, upstream)
        checked = await stack.enter_async_context(audits(settings, audited))
        taught = await stack.enter_async_context(learning(settings, trust.kinship))
        probing, sharing = opened_probing(settings), opened_sharing(settings, stores, writer)
        cache = ReadThrough(
            lookup,
            writer,
            backfill,
            upstream,
            stats,
            followers=(trust, *checked.followers, taught.traces, probing, *told.followers),
            assembler=EventAssembler,
            rules=serving_rules(settings),
            sharing=sharing,
            probing=probing,
        )
        yield (
            ServingRpc(cache, question_rules(settings)),
            ExplainRpc(Explaining(cache, lookup, decision, trust, thresholds), question_rules(settings)),
            EntriesRpc(invalidation, embedder=lambda: stores.vectors.fingerprint),
            InvalidationsRpc(invalidation, broadcast),
            StatisticsRpc(Report(tallies, stores, journal, stores.vectors)),
            ThresholdsRpc(thresholds),
            moved,
            transfer(settings, stores, writer, recent, recalls=recalls, thresholds=thresholds),
            await stack.enter_async_context(coalescing(cache, sharing)),
            FeedbackRpc(taught.feedback(invalidation, stores.exact, trust)),
            *told.faces,
            *checked.faces,
        )


def _check(settings: CacheSettings) -> None:
    if settings.vectors == "milvus" and not settings.milvus_endpoint:
        raise SettingsError("cache.vectors is 'milvus' but cache.milvus_endpoint is empty: give it host:port")


def _recent(settings: CacheSettings) -> RecentWrites:
    return RecentWrites(
        capacity=settings.overlay_entries,
        seconds=settings.overlay_seconds,
        visible_after_seconds=_MILVUS_LAG_SECONDS if settings.vectors == "milvus" else 0.0,
    )


async def _open_journal(settings: CacheSettings) -> FileJournal:
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    return await FileJournal.open(settings.data_dir / "journal.db", max_bytes=settings.journal_max_bytes)
