"""What the cache needs of the world. Adapters raise the exceptions named here and no others."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

if TYPE_CHECKING:
    from synapse_cache.analytics.request_log import Logged
    from synapse_cache.analytics.savings import Account, Saved
    from synapse_cache.feedback.feedback import Limit
    from synapse_cache.feedback.relations import Relation
    from synapse_cache.feedback.traces import Trace
    from synapse_cache.invalidation.conditions import Conditions, Leg, Page, Ref
    from synapse_cache.model import Answer, Caller, Embedding, Entry, Match, Place, Question, Vector
    from synapse_cache.reembedding.reembedding import Plan, Progress, Space, View
    from synapse_cache.stats import Tally
    from synapse_cache.thresholds.thresholds import Level
    from synapse_cache.trust.news import Heard, Parcel
    from synapse_cache.trust.trust import Home


Batch: TypeAlias = Sequence[Any]
"""Events of a streamed answer that arrived together, in the wire's form; the domain hands them on unread."""


class StoreUnavailable(Exception):
    """A store did not answer, or answered that it cannot serve now."""


class ExactStore(Protocol):
    """L1: entries by exact key inside a place, gone when they are of no use any more, at `kept_until`.

    Every method raises StoreUnavailable.
    """

    async def get(self, place: Place, key: str, *, stale: bool = False) -> tuple[Entry | None, int]:
        """The live entry of `key`, and the namespace's current epoch, in one round trip.

        The entry is None when there is none, when it is of another epoch than the current one, or when it is expired;
        with `stale`, one that is past its `expires_at` comes, too, as long as it is kept.
        `place.epoch`, when above 0, is the epoch that the caller last knew: it is taken up again if the store lost it.
        No epoch is ever lower than one that was known.
        """

    async def put(self, entry: Entry, *, alias_keys: Sequence[str] = ()) -> None:
        """Store `entry` under its key and under `alias_keys`, replacing what was there, for as long as it is kept.

        An entry deleted within the last minute stays deleted: a late alias cannot revive it.
        """

    async def find(self, tenant: str, entry_id: str) -> Entry | None:
        """The entry of that id in the tenant, as long as it is kept."""

    async def delete(self, tenant: str, entry_id: str) -> Entry | None:
        """Remove the entry of that id with every key it is stored under; returns it, None when there was none."""

    async def delete_key(self, place: Place, key: str) -> Entry | None:
        """Remove the entry that `key` leads to, as `delete`."""

    async def unlink(self, place: Place, key: str, entry_id: str) -> bool:
        """Let the alias `key` no longer lead to that entry, whose other keys stay; returns whether it did.

        The entry's own key, and one that leads elsewhere, are left as they are.
        """

    async def remove(self, tenant: str, refs: Sequence[Ref]) -> None:
        """Remove entries of the tenant with every key they are stored under, as `delete`."""

    async def select(self, tenant: str, conditions: Conditions, *, limit: int, after: str = "") -> Page:
        """Part of a walk through the tenant's entries that meet `conditions`; it begins and ends with an empty `after`.

        It has looked at `limit` entries or so. Dead epochs may be shown. Of likeness nothing is known here: where it is
        asked for, every entry with a prompt meets it.
        """

    async def read(self, tenant: str, refs: Sequence[Ref]) -> list[Entry]:
        """Those of the entries that still lie under their own keys and are kept, of whatever epoch, in any order."""

    async def flush(self, tenant: str, namespace: str | None) -> int:
        """Start a new epoch of the namespace, or of all the tenant's: everything in it is dead at once.

        Returns the new epoch, which is greater than that of any entry there.
        """

    async def ping(self) -> None:
        """Return when the store answers."""

    async def close(self) -> None:
        """Let go of every connection."""


class VectorStore(Protocol):
    """L2: entries by the meaning of their prompt, inside a place and a scope. Every method raises StoreUnavailable.

    A store belongs to one vector space: it is opened for a fingerprint and a dimension. `shared` says whether other
    replicas use the same one.
    """

    shared: bool

    async def search(
        self, vector: Vector, *, place: Place, scope: str, limit: int, min_similarity: float, now: float
    ) -> list[Match]:
        """Live entries of the place and scope, at most `limit`, most similar first, none below `min_similarity`."""

    async def fetch(self, tenant: str, entry_id: str) -> Entry | None:
        """The whole entry of that id in the tenant, expired or not."""

    async def insert(self, items: Sequence[tuple[Entry, Vector]]) -> None:
        """Add entries; one whose id is there already is left as it is. Durable when this returns."""

    async def delete(self, tenant: str, entry_ids: Sequence[str]) -> int:
        """Remove entries of the tenant by id; returns how many there were."""

    async def select(self, tenant: str, conditions: Conditions, *, now: float, limit: int, after: str = "") -> Page:
        """Part of a walk through the tenant's live entries that meet `conditions`.

        It begins and ends with an empty `after` and looks at about `limit` entries at a time; dead epochs may be shown.
        """

    async def walk(self, tenant: str | None, conditions: Conditions, *, now: float, limit: int, after: str = "") -> Leg:
        """As `select`, with the entries themselves, each once; of likeness nothing is asked here.

        Without a tenant it is every tenant's entries, whatever the conditions. Fewer than `limit` are looked at where
        they are large.
        """

    async def present(self, tenant: str, entry_ids: Sequence[str]) -> set[str]:
        """Those of the ids that are there, expired or not."""

    async def delete_namespace(self, tenant: str, namespace: str | None, *, before_epoch: int) -> int:
        """Remove entries of epochs below `before_epoch` of a namespace, or of all the tenant's.

        Returns how many there were, -1 if unknown.
        """

    async def expire(self, *, now: float) -> int:
        """Remove entries whose `semantic_expires_at` has passed; returns how many there were, -1 if unknown."""

    async def count(self, tenant: str | None = None) -> int:
        """How many entries there are, of one tenant or of all."""

    async def ping(self) -> None:
        """Return when the store answers and can be searched."""

    async def drop(self) -> None:
        """Remove the store for good, with all that is in it; there is nothing left to close."""

    async def close(self) -> None:
        """Write what is unwritten and let go of every resource."""


class Embedder(Protocol):
    """Texts to vectors. Raises StoreUnavailable when the service does not answer."""

    async def embed(self, text: str) -> Embedding:
        """The vector of `text`."""

    async def describe(self) -> tuple[str, int]:
        """Fingerprint and dimension of the vector space."""


class Embedders(Protocol):
    """The models that the embedder serves, each an Embedder of its own. Raises StoreUnavailable."""

    def of(self, model: str) -> Embedder:
        """The embedder of a model; of the default one for the empty name."""

    async def served(self) -> list[tuple[Space, tuple[str, ...]]]:
        """The models that answer, the default one first, each with its other names."""


class Upstream(Protocol):
    """The backends. Raises SynapseError as the backend's own error; those pass to the caller unchanged."""

    async def generate(self, question: Question, *, caller: Caller) -> Answer:
        """Ask and return the whole answer."""

    def stream(self, question: Question, *, caller: Caller) -> AsyncGenerator[Batch, None]:
        """Ask and return the answer as it comes; closing the iterator cancels the call."""


class Judge(Protocol):
    """Somebody who reads two answers and says whether they say the same."""

    async def same(self, asked: str, first: str, second: str, *, caller: Caller) -> bool | None:
        """Whether both texts say the same to who asked `asked`; None when that was not told clearly.

        Raises SynapseError when the judge cannot be asked.
        """


class Assembler(Protocol):
    """Puts the batches of one streamed answer together."""

    def add(self, batch: Batch) -> None:
        """Take the next batch."""

    def finish(self) -> Answer:
        """The whole answer after the stream ended properly."""


class Journal(Protocol):
    """Answers accepted and not yet in every store; survives the death of the process."""

    async def append(self, entry: Entry) -> None:
        """Remember `entry`; it survives a kill of the process once this returns. OSError when it cannot be written."""

    async def settle(self, entry_ids: Sequence[str]) -> None:
        """Forget entries that every store has, or that were invalidated."""

    async def pending(self, *, limit: int) -> list[Entry]:
        """The oldest entries not settled, at most `limit`."""

    async def pending_count(self) -> int:
        """How many entries are not settled."""

    async def close(self) -> None:
        """Write what is unwritten."""


class ThresholdStore(Protocol):
    """The levels of thresholds that were set, by tenant, that of all tenants by "": they are one thing of one version.

    Each change has a version greater than that of any before. Every method raises StoreUnavailable.
    """

    async def version(self) -> int:
        """The version of the last change; 0 when nothing was ever set."""

    async def load(self) -> tuple[int, dict[str, Level]]:
        """The version, and every level that sets something."""

    async def put(self, tenant: str, level: Level, *, after: int) -> int:
        """Set a level, removing one that sets nothing, if `after` is the version still.

        Returns the new version, 0 when it was not and nothing has changed.
        """

    async def restore(self, version: int, levels: Mapping[str, Level]) -> None:
        """Make `levels` all there is, at `version`, unless the store's version is as great or greater."""

    async def close(self) -> None:
        """Let go of every connection."""


class ReembeddingStore(Protocol):
    """The one re-embedding of all replicas, the last that was begun. Every method raises StoreUnavailable."""

    async def exchange(self, replica: str, progress: Progress) -> View:
        """Tell what a replica does, and hear what all know.

        A replica that told nothing for five seconds is not among them.
        """

    async def put(self, plan: Plan, *, after: int) -> int:
        """Set the plan if `after` is its version still; returns the new one, 0 when it was not and nothing changed."""

    async def restore(self, version: int, plan: Plan) -> None:
        """Make `plan` that of `version`, unless the store's version is as great or greater."""

    async def close(self) -> None:
        """Let go of every connection."""


class TrustStore(Protocol):
    """What replicas know together about errors, by tenant and namespace. Every method raises StoreUnavailable."""

    async def exchange(self, place: Place, parcel: Parcel) -> Heard:
        """Take the parcel's news in, once however often they are sent, and tell what all replicas know then.

        Of the evidence the newest few thousand are kept. A store that knows nothing begins with what the parcel knows;
        a namespace that nobody sends a parcel of for a month is forgotten.
        """

    async def places(self, *, limit: int) -> list[Place]:
        """At most `limit` namespaces that something is known about, the latest told of first."""

    async def close(self) -> None:
        """Let go of every connection."""


class KinshipStore(Protocol):
    """The relations of wordings that all replicas know, by tenant and namespace. Every method raises StoreUnavailable.

    A namespace that nothing was added to for ninety days is forgotten.
    """

    async def add(self, relations: Sequence[tuple[Home, Relation]]) -> None:
        """Add relations; of each namespace the newest MOST_RELATIONS are kept. Adding them again changes nothing."""

    async def load(self, home: Home) -> list[Relation]:
        """All that is known of a namespace, in no order."""

    async def cursor(self) -> str:
        """Where `changes` goes on from to tell what is added from now on."""

    async def changes(self, cursor: str, *, limit: int) -> tuple[str, list[tuple[Home, Relation]]]:
        """The oldest relations added after `cursor`, at most `limit`, and where to go on; of many, only the newest."""

    async def close(self) -> None:
        """Let go of every connection."""


class TraceStore(Protocol):
    """Which answers were served to another wording than their own, for a day. Every method raises StoreUnavailable."""

    async def note(self, tenant: str, traces: Sequence[Trace]) -> None:
        """Remember traces; of a tenant the newest MOST_TRACES are kept. A wording keeps its first that has traits."""

    async def by_request(self, tenant: str, request_id: str) -> Trace | None:
        """What was served to a request."""

    async def by_wording(self, tenant: str, wording: str) -> Trace | None:
        """What was served to a wording, by its digest."""

    async def close(self) -> None:
        """Let go of every connection."""


class FeedbackLedger(Protocol):
    """Who said what of which answer, and how often anybody may. Every method raises StoreUnavailable."""

    async def spend(self, tenant: str, subject: str, limit: Limit, *, now: float) -> float:
        """Count one use of a limit: how many seconds to wait, 0 when it is not exceeded."""

    async def vote(self, tenant: str, about: str, rating: str, subject: str) -> tuple[bool, int]:
        """Note what a credential says, instead of what it said before: whether that is new, and how many say so.

        What nobody said anything about for thirty days is forgotten.
        """

    async def said(self, tenant: str, subject: str, key: str) -> str:
        """What was remembered under an idempotency key within a day; empty when nothing was."""

    async def remember(self, tenant: str, subject: str, key: str, text: str) -> None:
        """Remember `text` under an idempotency key for a day."""

    async def close(self) -> None:
        """Let go of every connection."""


class RequestLogStore(Protocol):
    """The newest requests of every tenant, until they are too old. Every method raises StoreUnavailable."""

    async def append(self, records: Sequence[Logged], *, batch_id: str) -> None:
        """Add requests, oldest first; a batch of an id that was added within the last minutes is not added again."""

    async def page(self, tenant: str, *, before: str, limit: int) -> list[tuple[str, Logged]]:
        """At most `limit` requests with their positions, newest first; with `before`, only those older than it.

        A position is "<number>-<number>", and stays one when its request is gone.
        """

    async def close(self) -> None:
        """Let go of every connection."""


class SavingsStore(Protocol):
    """What hits saved, by tenant, UTC day and model, for 400 days. Every method raises StoreUnavailable."""

    async def add(self, counts: Mapping[Account, Saved], *, batch_id: str) -> None:
        """Add counts; a batch of an id that was added within the last minutes is not added again.

        Models beyond MOST_MODELS of a tenant's day are counted together as OTHER_MODEL.
        """

    async def read(self, tenant: str | None, *, first_day: str, last_day: str) -> dict[Account, Saved]:
        """The counts of one tenant or of all, for the days from the first to the last, both included."""

    async def close(self) -> None:
        """Let go of every connection."""


class TallyStore(Protocol):
    """What each replica of the cache counted since its start. Every method raises StoreUnavailable."""

    async def post(self, replica: str, total: Tally, tenants: Mapping[str, Tally]) -> None:
        """Tell a replica's counts of all tenants together, and those of some; the latest of each tenant is kept.

        A replica that tells nothing for KEPT_SECONDS is forgotten.
        """

    async def others(self, replica: str, tenant: str | None) -> list[Tally]:
        """The counts of one tenant or of all, one for each replica known but `replica`."""

    async def leave(self, replica: str) -> None:
        """Forget a replica."""


class Verifier(Protocol):
    """A model that reads two prompts together. Raises StoreUnavailable when it does not answer."""

    async def score(self, asked: str, stored: str) -> float | None:
        """A logit, greater for pairs that deserve the same answer; None when it cannot see all of both texts."""

    async def close(self) -> None:
        """Let go of every resource."""
