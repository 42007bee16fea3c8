"""Everything that finds out how often the cache is wrong, put together."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from synapse_cache.adapters.answers import said_of
from synapse_cache.adapters.judge_router import RouterJudge
from synapse_cache.adapters.trust_redis import RedisTrustStore
from synapse_cache.audits.auditing import Auditing, AuditParts, AuditRules
from synapse_cache.audits.findings import Findings
from synapse_cache.audits.hindsight import Hindsight
from synapse_cache.audits.referee import Referee
from synapse_cache.rpc.trust import TrustRpc
from synapse_cache.trust.control import Control, ControlRules
from synapse_cache.trust.error_bounds import ErrorBounds
from synapse_cache.trust.sync import TrustSync
from synapse_runtime.background import background

if TYPE_CHECKING:
    from synapse_cache.followers import Follower
    from synapse_cache.lookup import Stores
    from synapse_cache.ports import Upstream
    from synapse_cache.settings import CacheSettings
    from synapse_cache.thresholds.thresholds import ThresholdSource
    from synapse_cache.trust.trust import Trust
    from synapse_cache.writer import Writer


@dataclass(frozen=True, slots=True)
class Audits:
    """Who follows requests, and the face that tells what they found out."""

    followers: tuple[Follower, ...]
    faces: tuple[object, ...]


@dataclass(frozen=True, slots=True)
class Audited:
    """What is audited: the cache's parts as the app made them."""

    trust: Trust
    thresholds: ThresholdSource
    stores: Stores
    writer: Writer
    upstream: Upstream


@asynccontextmanager
async def audits(settings: CacheSettings, parts: Audited) -> AsyncIterator[Audits]:
    """Audits at work until the block ends; what waits then is left."""
    rules, trust = settings.trust, parts.trust
    judge = RouterJudge(parts.upstream, rules.judge_model) if rules.judge_model else None
    referee = Referee(
        said_of, judge, calls_per_minute=rules.judge_calls_per_minute, timeout_seconds=rules.judge_timeout_seconds
    )
    control = Control(trust, parts.thresholds, ControlRules(rules.cooldown_seconds))
    findings = Findings(trust, control)
    auditing = Auditing(
        AuditParts(trust, parts.thresholds, parts.upstream, parts.writer, parts.stores.exact, referee, findings),
        AuditRules(rules.audits_at_once, rules.audit_timeout_seconds, rules.audit_with_callers_keys),
    )
    hindsight = Hindsight(trust, parts.stores, referee, findings)
    async with AsyncExitStack() as stack:
        store = RedisTrustStore.open(settings.redis_url.get_secret_value(), prefix=settings.redis_prefix)
        stack.push_async_callback(store.close)
        sync = TrustSync(trust, store, every_seconds=rules.share_every_seconds)
        errors = ErrorBounds(trust, parts.thresholds, sync)
        work = {"audits": auditing.run, "hindsight": hindsight.run, "trust": sync.run}
        await stack.enter_async_context(background(**work, bounds=partial(errors.run, control)))
        yield Audits((auditing, hindsight), (TrustRpc(errors),))
