"""The nouns of the cache: what is asked, what is stored, what was found."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

from synapse_cache.privacy.freshness import STATIC, Life

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from synapse_cache.decision import Verdict

    Vector = npt.NDArray[np.float32]
    """A unit vector, shape (dimension,), float32."""

DEFAULT_NAMESPACE = "default"


class Finish(StrEnum):
    """Why one choice of an answer ended."""

    STOP = "stop"
    LENGTH = "length"
    TOOL_CALLS = "tool_calls"
    CONTENT_FILTER = "content_filter"
    OTHER = "other"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class Place:
    """Where in the cache a request looks: nothing ever crosses a tenant or a namespace.

    `epoch` counts the namespace's flushes; entries of an older epoch are dead.
    """

    tenant: str
    namespace: str = DEFAULT_NAMESPACE
    epoch: int = 0


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked, reduced to what the cache needs.

    `key` and `scope` are hexadecimal SHA-256; `prompt` is the last user message when it may be matched by meaning
    and None when the request is exact-only, with `exact_only_reason` saying why. `payload` is the request in the
    wire's form; the domain hands it on and never looks inside. Only questions of equal `credential` share a backend
    call: a digest of the caller's own key for the provider, empty when there is none. `life` bounds the age of its
    answers; `user` is a digest of the end user whom the request names, empty when it names nobody.
    """

    key: str
    scope: str
    model: str
    prompt: str | None
    payload: object
    exact_only_reason: str = ""
    uncacheable_reason: str = ""
    credential: str = ""
    life: Life = STATIC
    user: str = ""


@dataclass(frozen=True, slots=True)
class Answer:
    """A complete answer, with what the write gates look at. `payload` is the wire's serialised form."""

    payload: bytes
    finishes: tuple[Finish, ...]
    empty: bool
    tokens: int = 0
    cost_nanos: int = 0
    """What it cost, in billionths of a US dollar; 0 where no price is known."""
    made_in_seconds: float = 0.0
    """How long the backend took."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A stored answer. Times are seconds since the epoch; `prompt` is None when it is exact-only.

    From `expires_at` until `stale_until` it may be served by its exact key as a stale answer, if its tenant's
    thresholds say so then.
    """

    id: str
    key: str
    scope: str
    tenant: str
    namespace: str
    epoch: int
    model: str
    prompt: str | None
    answer: bytes
    tokens: int
    created_at: float
    expires_at: float
    semantic_expires_at: float
    tags: tuple[str, ...] = ()
    cost_nanos: int = 0
    made_in_seconds: float = 0.0
    stale_until: float = 0.0

    @property
    def kept_until(self) -> float:
        """When it is of no use by its exact key any more, even as a stale answer."""
        return max(self.expires_at, self.stale_until)

    def belongs_to(self, place: Place) -> bool:
        """Whether it may be served there: same tenant, namespace and epoch."""
        return (self.tenant, self.namespace, self.epoch) == (place.tenant, place.namespace, place.epoch)


@dataclass(frozen=True, slots=True)
class Match:
    """An entry found by meaning, before anybody decided: enough to decide on, and its id to fetch it."""

    entry_id: str
    key: str
    prompt: str
    similarity: float
    created_at: float
    expires_at: float


@dataclass(frozen=True, slots=True)
class Considered:
    """A candidate of a lookup by meaning, and what the decision thought of it.

    `veto` and `reason` say why it was not served, both empty for the one that was; `probability` is that of a right
    answer, `score` the verifier's logit, both None where nothing asked for them; `doubt` is what the texts leave open.
    """

    entry_id: str
    prompt: str
    similarity: float
    veto: str = ""
    reason: str = ""
    probability: float | None = None
    score: float | None = None
    doubt: str = ""


class Tier(StrEnum):
    """Where an answer was found."""

    L0 = "L0"
    L1 = "L1"
    L2 = "L2"


@dataclass(frozen=True, slots=True)
class Hit:
    """A stored answer that may be served, and why. `similarity` is None where it was decided in an earlier request.

    `stale` says that it is past its end.
    """

    entry: Entry
    tier: Tier
    similarity: float | None
    reason: str
    considered: tuple[Considered, ...] = ()
    verdict: Verdict | None = None
    stale: bool = False


@dataclass(frozen=True, slots=True)
class Miss:
    """Nothing may be served, and why: a short stable word."""

    reason: str
    considered: tuple[Considered, ...] = ()
    verdict: Verdict | None = None


@dataclass(frozen=True, slots=True)
class Policy:
    """What the caller wants of the cache for one request; `thorough` asks for a word on every candidate."""

    skip: bool = False
    no_cache: bool = False
    no_store: bool = False
    only_if_cached: bool = False
    max_age_seconds: float | None = None
    ttl_seconds: float | None = None
    tags: tuple[str, ...] = ()
    max_error: float | None = None
    preview: bool = False
    passthrough: bool = False
    stale_if_error_seconds: float | None = None
    thorough: bool = False


@dataclass(frozen=True, slots=True)
class Embedding:
    """A text's vector and the fingerprint of the space it lies in."""

    vector: Vector = field(compare=False)
    fingerprint: str = ""
    truncated: bool = False


@dataclass(frozen=True, slots=True)
class Caller:
    """On whose behalf a request is served; `role` is the credential's."""

    tenant: str
    subject: str
    role: str
    request_id: str
    traceparent: str | None = None


@dataclass(frozen=True, slots=True)
class CallKey:
    """Requests of which this is equal share one call to a backend."""

    place: Place
    key: str
    credential: str = ""


class Status(StrEnum):
    """What the cache did with a request."""

    HIT = "hit"
    MISS = "miss"
    BYPASS = "bypass"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What the cache did with a request, and why. Durations in seconds; `similarity` is 1 for exact hits.

    `ttl_seconds` is negative for a stale answer: that long ago was its end.
    """

    status: Status
    reason: str
    key: str
    tier: Tier | None = None
    entry_id: str = ""
    similarity: float | None = None
    age_seconds: float | None = None
    ttl_seconds: float | None = None
    stored: bool = False
    collapsed: bool = False
    shared: bool = False
    tokens_saved: int = 0
    cost_saved_nanos: int = 0
    latency_seconds: float = 0.0
    embed_seconds: float | None = None
    considered: tuple[Considered, ...] = ()
    probability: float | None = None
    stale: bool = False
    shadow: bool = False


class NotCached(Exception):
    """The caller wants no backend asked, and there is no stored answer that may be served."""

    def __init__(self, outcome: Outcome) -> None:
        super().__init__(outcome.reason)
        self.outcome = outcome
