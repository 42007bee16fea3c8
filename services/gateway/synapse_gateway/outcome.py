"""What the cache did, told truthfully: response headers and the optional body member."""

from __future__ import annotations

import re
from typing import Any

from synapse.cache.v1 import outcome_pb2
from synapse_gateway.problems import Headers

_HIT, _MISS, _BYPASS = outcome_pb2.CACHE_STATUS_HIT, outcome_pb2.CACHE_STATUS_MISS, outcome_pb2.CACHE_STATUS_BYPASS
TIERS = {
    outcome_pb2.CACHE_TIER_L0: "L0",
    outcome_pb2.CACHE_TIER_L1: "L1",
    outcome_pb2.CACHE_TIER_L2: "L2",
}
_TOKEN = re.compile(r"[A-Za-z*][!#$%&'*+.^_`|~:/A-Za-z0-9-]*")
_UNSAFE = re.compile(r"[^\x20-\x7e]")


def headers(outcome: outcome_pb2.Outcome, *, answered: bool = True) -> Headers:
    """The headers of an answer; `answered` is False for a preview that missed."""
    if outcome.status == _HIT:
        return _hit(outcome)
    bypassed = outcome.status == _BYPASS
    made: Headers = [
        (b"cache-status", _forwarded(outcome, answered=answered)),
        (b"x-synapse-cache-status", b"BYPASS" if bypassed else b"MISS"),
        (b"x-cache-status", b"MISS"),
    ]
    _common(outcome, made)
    return made


def metadata(outcome: outcome_pb2.Outcome) -> dict[str, Any]:
    """The body member `synapse_metadata`."""
    hit = outcome.status == _HIT
    return {
        "cache_hit": hit,
        "cache_tier": TIERS.get(outcome.tier),
        "similarity": outcome.similarity if outcome.HasField("similarity") else None,
        "source": "cache" if hit else "backend",
        "latency_ms": round(_millis(outcome), 3),
    }


def is_hit(outcome: outcome_pb2.Outcome) -> bool:
    """Whether a stored answer was served."""
    return outcome.status == _HIT


def is_bypass(outcome: outcome_pb2.Outcome) -> bool:
    """Whether the cache was not used."""
    return outcome.status == _BYPASS


def _hit(outcome: outcome_pb2.Outcome) -> Headers:
    tier = TIERS.get(outcome.tier, "L1")
    detail = tier
    ttl = f"; ttl={_ttl(outcome)}" if outcome.HasField("ttl") else ""
    made: Headers = [
        (b"x-synapse-cache-status", b"HIT-" + tier.encode()),
        (b"x-synapse-cache-tier", tier.encode()),
        (b"x-cache-status", b"HIT"),
        (b"age", b"%d" % max(0, outcome.age.seconds)),
        (b"x-synapse-tokens-saved", b"%d" % outcome.tokens_saved),
        (b"x-synapse-cost-saved", _dollars(outcome.cost_saved_nanos)),
    ]
    if outcome.HasField("similarity"):
        similarity = outcome.similarity
        if outcome.tier == outcome_pb2.CACHE_TIER_L2:
            detail = f"{tier};sim={similarity:.3f}"
        shown = b"%.4f" % similarity
        made += ((b"x-synapse-similarity", shown), (b"x-cache-similarity", shown))
    if outcome.HasField("probability"):
        made.append((b"x-synapse-probability", b"%.4f" % outcome.probability))
    status = f'synapse; hit{ttl}; key="{_safe(outcome.key)}"; detail="{detail}"'
    made.append((b"cache-status", status.encode()))
    _common(outcome, made)
    return made


def _forwarded(outcome: outcome_pb2.Outcome, *, answered: bool) -> bytes:
    if outcome.status == _BYPASS:
        return f"synapse; fwd=bypass; detail={_item(outcome.reason or 'bypass')}".encode()
    if outcome.collapsed:
        return b"synapse; fwd=miss; collapsed"
    if not answered:
        return b"synapse; fwd=miss"
    return b"synapse; fwd=miss; fwd-status=200; stored" if outcome.stored else b"synapse; fwd=miss; fwd-status=200"


def _common(outcome: outcome_pb2.Outcome, made: Headers) -> None:
    if outcome.entry_id:
        made.append((b"x-synapse-entry-id", _safe(outcome.entry_id).encode()))
    if outcome.reason:
        made.append((b"x-synapse-reason", _safe(outcome.reason).encode()))
    made.append((b"x-synapse-latency-ms", b"%.3f" % _millis(outcome)))
    if outcome.collapsed:
        made.append((b"x-coalesced", b"piggybacked"))
    elif outcome.shared:
        made.append((b"x-coalesced", b"original"))


def _ttl(outcome: outcome_pb2.Outcome) -> int:
    """Whole seconds until the answer's end; what is past it is so by a second at least."""
    return min(-1, outcome.ttl.seconds) if outcome.stale else outcome.ttl.seconds


def _millis(outcome: outcome_pb2.Outcome) -> float:
    latency = outcome.latency
    return latency.seconds * 1e3 + latency.nanos / 1e6


def _dollars(nanos: int) -> bytes:
    """Billionths of a dollar as dollars, without trailing zeros."""
    return (b"%d.%09d" % divmod(max(0, nanos), 10**9)).rstrip(b"0").rstrip(b".")


def _safe(text: str) -> str:
    return (
        text if text.isascii() and text.isprintable() and '"' not in text else _UNSAFE.sub("?", text).replace('"', "?")
    )


def _item(text: str) -> str:
    """A value of Cache-Status: a token where it can be one, else a quoted string."""
    safe = _safe(text)
    return safe if _TOKEN.fullmatch(safe) else '"{}"'.format(safe.replace("\\", "?"))
