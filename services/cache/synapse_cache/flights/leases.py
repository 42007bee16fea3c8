"""Leases on backend calls, by which replicas agree on who asks: what the cache needs of a store of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from synapse_cache.model import CallKey


class Lease(StrEnum):
    """How a lease stands: the asker's, another's, nobody's, or lately given up by one whose answer none may share."""

    OWN = "own"
    TAKEN = "taken"
    FREE = "free"
    UNSHARED = "unshared"


class Leases(Protocol):
    """Which replica asks a backend for all of them; every method but `run` raises StoreUnavailable.

    A lease belongs to whoever holds its token, a word of letters and digits, for as long as it is renewed.
    """

    @property
    def alone(self) -> bool:
        """Whether there is no other replica to share with; False where that is not known."""

    async def acquire(self, call: CallKey, token: str, *, seconds: float) -> Lease:
        """Take the lease of `call` unless another has it: OWN; else TAKEN, or UNSHARED for a moment after that one."""

    async def renew(self, held: Mapping[CallKey, str], *, seconds: float) -> None:
        """Keep leases, given with their tokens, for so long from now; one that was lost stays lost."""

    async def release(self, call: CallKey, token: str, *, unshared: bool = False) -> None:
        """Let go of the lease if `token` holds it still; with `unshared`, those who wait shall wait for nobody."""

    async def wait(self, call: CallKey, *, seconds: float) -> Lease:
        """How the lease stands once its holder has let go or lost it, FREE or UNSHARED; TAKEN after `seconds`."""

    async def flush(self, tenant: str | None) -> None:
        """Tell every other replica to let nobody join the calls of a tenant, or of all."""

    async def run(self, flushed: Callable[[str | None], object]) -> None:
        """Hear what other replicas tell, until cancelled; `flushed` is called for their `flush`."""

    async def close(self) -> None:
        """Let go of every connection."""
