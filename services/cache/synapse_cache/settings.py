"""Settings of the cache service: section `cache`."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field, SecretStr

from synapse_cache.privacy.privacy import PersonalData, PersonalState
from synapse_runtime.settings import Section


class VerifierSettings(Section):
    """How two wordings are compared where their words alone do not settle it."""

    enabled: bool = True
    """Whether the bundled model is asked; without it only wordings whose every word has its match are reused."""
    budget_ms: float = Field(default=40, gt=0)
    """Longest time for the model on a request's way; what it has not said by then is not served."""


class LogSettings(Section):
    """The log of requests: for operators, and what thresholds are tried on."""

    entries: int = Field(default=10_000, ge=0, le=100_000)
    """How many requests of each tenant are kept, the newest, each 0.3 to 1.4 kB in Redis; 0 switches the log off."""
    ttl_seconds: float = Field(default=7 * 86_400, ge=60)
    """How long a request is kept."""
    prompts: bool = False
    """Whether the log holds the texts of prompts; never of one with personal data that is matched by exact key only."""
    vectors: bool = True
    """Whether the log holds coarse vectors of prompts, by which requests like another are found."""


class FeedbackSettings(Section):
    """How much a key may say about served answers, and what it takes."""

    reports_per_minute: int = Field(default=30, ge=1)
    """Reports that one key may send in a minute."""
    wrong_per_day: int = Field(default=300, ge=1)
    """Answers that one key may call wrong in a day, so that no key can empty the cache."""
    viewers_to_evict: int = Field(default=2, ge=1)
    """How many keys of the role viewer must call an answer to its own wording wrong before it is removed."""


class TrustSettings(Section):
    """How the cache finds out how often it is wrong, and what it does then."""

    audits_at_once: int = Field(default=4, ge=1, le=64)
    """How many audits ask a backend at the same time; `cache.audit_share` says how many hits are audited."""
    audit_timeout_seconds: float = Field(default=120, gt=0)
    """Longest time for a backend's answer to an audit."""
    audit_with_callers_keys: bool = True
    """Whether hits of requests that bring their own key of a provider are audited, with that key and at its cost."""
    judge_model: str = ""
    """Model that is asked, over the llm-router, whether two answers say the same where their texts leave it open;
    empty asks nobody. A small model that answers at once is enough; one that thinks aloud is not suited."""
    judge_calls_per_minute: int = Field(default=10, ge=1, le=1_000)
    """Most calls of the judge a minute, for each replica."""
    judge_timeout_seconds: float = Field(default=30, gt=0)
    """Longest time for the judge's word."""
    cooldown_seconds: float = Field(default=3_600, gt=0)
    """How long reuse by meaning stays off at least in a namespace whose budget of errors broke."""
    share_every_seconds: float = Field(default=1, gt=0, le=60)
    """How often replicas tell each other what they found out."""


class FreshnessSettings(Section):
    """How long answers to prompts with words of time are served, at most; a caller may only be stricter."""

    live_seconds: float = Field(default=0, ge=0)
    """Prompts about this very minute, such as the time or a live score; 0 stores nothing and serves nothing stored."""
    hourly_seconds: float = Field(default=900, ge=0)
    """Prompts about weather, news or prices as they are now."""
    daily_seconds: float = Field(default=21_600, ge=0)
    """Prompts about today, this week, the latest or the current; never served beyond midnight UTC."""


class ProbingSettings(Section):
    """How many stored prompts of others somebody may come near by trying wordings; beyond, only exact keys match."""

    per_credential: int = Field(default=3_000, ge=0)
    """Entries of others that one key may come near in a minute, for each replica; 0 sets no limit."""
    per_user: int = Field(default=120, ge=0)
    """The same for one end user named by the requests of a key; 0 sets no limit."""
    near_similarity: float = Field(default=0.85, ge=0, le=1)
    """Cosine similarity from which an entry that is not served counts, too."""
    pause_seconds: float = Field(default=60, gt=0)
    """How long nothing is matched by meaning for who spent the budget."""


class CoalescingSettings(Section):
    """How replicas of the cache share calls to the backends for equal questions asked at the same time."""

    across_replicas: bool = True
    """Whether they do at all; a replica that is alone pays nothing. Within one, equal questions always share a call."""
    wait_ms: float = Field(default=30_000, ge=0)
    """How long a request for a whole answer waits for another replica's call before it makes one of its own."""
    stream_wait_ms: float = Field(default=2_000, ge=0)
    """The same for a streamed request, which sees nothing of another replica's answer before that is whole."""
    lease_ms: float = Field(default=3_000, ge=300, le=60_000)
    """How long after a replica's death its calls are waited for, at most; a living one renews them."""


class TransferSettings(Section):
    """How entries are brought in from elsewhere."""

    import_per_second: float = Field(default=100, gt=0, le=10_000)
    """How many entries a replica takes in a second, so that imports leave room for requests; each needs an embedding
    unless it brings its vector."""


class ReembeddingSettings(Section):
    """How the cache is moved from one embedding model to another while it serves."""

    entries_per_second: float = Field(default=50, gt=0, le=10_000)
    """How many entries a replica embeds with the new model in a second, so that this leaves room for requests."""
    keep_days: float = Field(default=7, ge=0, le=365)
    """How long after a switch, or after giving one up, the vectors that do not serve are kept and written to."""


class CacheSettings(Section):
    """How the cache listens, where it stores, and what it may reuse."""

    listen: str = "127.0.0.1:50051"
    """gRPC address, host:port."""
    probes: str = "127.0.0.1:9051"
    """HTTP address of /health, /ready and /metrics."""
    data_dir: Path = Path("/var/lib/synapse")
    """Folder of the write journal and of the embedded vector store."""

    redis_url: SecretStr = SecretStr("redis://127.0.0.1:6379/0")
    """L1: redis:// or rediss:// URL of Redis 7.0 or newer, or Valkey."""
    redis_prefix: str = Field(default="synapse", min_length=1, max_length=32)
    """First part of every Redis key."""
    vectors: Literal["embedded", "milvus", "memory"] = "embedded"
    """L2: a file in `data_dir`, a Milvus server, or nothing that lasts."""
    milvus_endpoint: str = ""
    """host:port of Milvus 2.3 or newer."""
    milvus_token: SecretStr = SecretStr("")
    """user:password or token of Milvus."""
    milvus_database: str = ""
    """Database of Milvus; empty means the default one."""

    ttl_seconds: float = Field(default=86_400, gt=0)
    """How long an answer is served by exact key."""
    semantic_ttl_seconds: float = Field(default=7 * 86_400, gt=0)
    """How long an answer is served by meaning."""
    semantic: bool = True
    """Whether answers are reused by meaning at all."""
    max_error: float = Field(default=0.01, ge=0, le=1)
    """Largest probability of a wrong answer that is accepted when reusing by meaning; 0 means exact only."""
    min_similarity: float = Field(default=0.7, ge=0, le=1)
    """Cosine similarity below which an entry is not even considered."""
    hit_similarity: float = Field(default=0.7, ge=0, le=1)
    """Cosine similarity from which an entry may be served, if the decision lets it pass; 1 means exact only."""
    audit_share: float = Field(default=0.02, ge=0, le=1)
    """Share of the hits by meaning that also ask the backend, to compare the answers."""
    shadow: bool = False
    """Whether hits by meaning are only decided and recorded, while the backend answers."""
    stale_while_revalidate_seconds: float = Field(default=0, ge=0)
    """How long after its end an answer is still served while a fresh one is fetched behind; 0 means never."""
    stale_if_error_seconds: float = Field(default=0, ge=0)
    """How long after its end an answer is still served when the backends fail; 0 means never."""
    verifier: VerifierSettings = VerifierSettings()
    max_candidates: int = Field(default=8, ge=1, le=64)
    """How many entries are considered by meaning."""
    max_temperature: float = Field(default=1.0, ge=0)
    """Requests of a higher temperature are neither looked up nor stored."""
    personal_data: PersonalData = PersonalData.EXACT_ONLY
    """What happens to prompts with e-mail addresses, account numbers and other identifiers."""
    personal_state: PersonalState = PersonalState.BY_USER
    """What happens to prompts about the caller's own affairs ("what is my balance"): matched like any other (allow), by
    exact key only (exact_only), or by an exact key that holds the end user whom the request names (by_user). The last
    also keeps prompts with identifiers apart by end user."""
    freshness: FreshnessSettings = FreshnessSettings()
    probing: ProbingSettings = ProbingSettings()
    pad_hits_ms: float = Field(default=0, ge=0, le=60_000)
    """A hit by meaning is answered no earlier than this after its request began, so that its time does not tell it."""

    near_entries: int = Field(default=0, ge=0)
    """How many hot entries are kept in the process in front of Redis, kept true by the broadcast of invalidations."""
    near_seconds: float = Field(default=5, gt=0, le=60)
    """How long such an entry is served without asking Redis; the longest that it may be wrong when nothing is heard."""
    redis_budget_ms: float = Field(default=50, gt=0)
    """Longest wait for Redis on a request's way."""
    embed_budget_ms: float = Field(default=250, gt=0)
    """Longest wait for an embedding on a request's way."""
    vectors_budget_ms: float = Field(default=100, gt=0)
    """Longest wait for the vector store on a request's way."""
    upstream_timeout_seconds: float = Field(default=600, gt=0)
    """Longest time for a whole answer from a backend."""

    coalescing: CoalescingSettings = CoalescingSettings()
    hedge_after_ms: float | None = Field(default=None, ge=0)
    """Ask the backend once the search by meaning has taken this long, and leave it again on a hit; unset waits.
    For backends of your own: a paid provider may bill what it had begun."""

    journal_max_bytes: int = Field(default=1 << 30, gt=0)
    """Size at which the journal refuses more; answers are then served and not stored."""
    overlay_entries: int = Field(default=2_000, ge=0)
    """How many recent writes are kept in memory."""
    overlay_seconds: float = Field(default=60, gt=0)
    """How long a recent write is kept in memory."""
    log: LogSettings = LogSettings()
    feedback: FeedbackSettings = FeedbackSettings()
    trust: TrustSettings = TrustSettings()
    transfer: TransferSettings = TransferSettings()
    reembedding: ReembeddingSettings = ReembeddingSettings()
