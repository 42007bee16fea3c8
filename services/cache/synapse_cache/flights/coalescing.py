"""What sharing backend calls saved since the service started, by tenant."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass

_MOST_TENANTS = 10_000


@dataclass(slots=True)
class Shared:
    """Counts of one tenant, or of all.

    `started` counts calls of this replica, `joined` requests that joined one of them, `joined_elsewhere` requests that
    another replica's call answered, `replaced` calls of other replicas that were waited for in vain.
    """

    started: int = 0
    joined: int = 0
    joined_elsewhere: int = 0
    replaced: int = 0
    longest_wait_seconds: float = 0.0

    def add(self, other: Shared) -> None:
        """Add the counts of `other`; of the waits the longer stays."""
        self.started += other.started
        self.joined += other.joined
        self.joined_elsewhere += other.joined_elsewhere
        self.replaced += other.replaced
        self.longest_wait_seconds = max(self.longest_wait_seconds, other.longest_wait_seconds)


class Coalescing:
    """Counts by tenant; the longest unseen tenants beyond 10,000 are forgotten one by one, kept in the sum."""

    def __init__(self) -> None:
        self._tenants: OrderedDict[str, Shared] = OrderedDict()
        self._forgotten = Shared()

    def of(self, tenant: str) -> Shared:
        """One tenant's counts, to be added to."""
        shared = self._tenants.get(tenant)
        if shared is None:
            shared = self._tenants[tenant] = Shared()
            if len(self._tenants) > _MOST_TENANTS:
                self._forgotten.add(self._tenants.popitem(last=False)[1])
        else:
            self._tenants.move_to_end(tenant)
        return shared

    def total(self) -> Shared:
        """The counts of all tenants."""
        total = Shared()
        total.add(self._forgotten)
        for shared in self._tenants.values():
            total.add(shared)
        return total
