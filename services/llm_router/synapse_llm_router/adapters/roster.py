"""The backends of every fleet in use: one whose settings stay the same goes on as it is from fleet to fleet."""

from __future__ import annotations

import time
from dataclasses import dataclass
from urllib.parse import urlsplit

from synapse_llm_router.adapters.build import check_of, upstream_of
from synapse_llm_router.adapters.priced import PricedUpstream
from synapse_llm_router.backend import Backend, Rules, Traits
from synapse_llm_router.catalog import Discovery
from synapse_llm_router.health import Watch
from synapse_llm_router.ports import Closing
from synapse_llm_router.prices import CurrentPrices
from synapse_llm_router.settings import BackendSettings


@dataclass(frozen=True, slots=True)
class _Terms:
    """Everything that a backend is made of."""

    settings: BackendSettings
    rules: Rules
    starting_retry_seconds: float


@dataclass(slots=True)
class Member:
    """A backend held by the fleets that share it.

    `watch` is its health check, where it has one; `discovery` what it lists, where its own list counts.
    """

    backend: Backend
    watch: Watch | None
    discovery: Discovery | None
    closing: tuple[Closing, ...]
    shares: int = 0


class Share:
    """A fleet's hold of a member; the last one to be closed closes the member."""

    def __init__(self, roster: Roster, member: Member) -> None:
        self._roster = roster
        self.member = member
        self._closed = False
        member.shares += 1

    async def close(self) -> None:
        """Let go of the member; closing twice does nothing."""
        if self._closed:
            return
        self._closed = True
        self.member.shares -= 1
        if not self.member.shares:
            await self._roster.leave(self.member)


class Roster:
    """Makes backends out of settings, each of which has its key in `api_key`.

    `started` is when the roster was begun, in seconds since 1970.
    """

    def __init__(self, prices: CurrentPrices) -> None:
        self._prices = prices
        self.started = time.time()
        self._members: list[tuple[_Terms, Member]] = []

    def share(self, one: BackendSettings, rules: Rules, *, starting_retry_seconds: float) -> Share:
        """A hold of the backend of these settings, made if there is none; raises SettingsError."""
        terms = _Terms(one, rules, starting_retry_seconds)
        member = next((member for known, member in self._members if known == terms), None)
        if member is None:
            member = self._made(terms)
            self._members.append((terms, member))
        return Share(self, member)

    async def leave(self, member: Member) -> None:
        """Close a member that nobody holds any more."""
        self._members = [known for known in self._members if known[1] is not member]
        for one in member.closing:
            await one.close()

    def _made(self, terms: _Terms) -> Member:
        one = terms.settings
        upstream = PricedUpstream(upstream_of(one), one.provider, self._prices)
        backend = Backend(_traits(terms), upstream, terms.rules, clock=time.monotonic)
        lists = one.wildcard or not one.models  # it takes models that the configuration does not name
        discovery = Discovery(upstream.list_models, clock=time.time) if lists else None
        seconds = one.health.interval_of(one.provider)
        if not seconds:
            return Member(backend, None, discovery, (upstream,))
        check = check_of(one)
        return Member(backend, Watch(backend, check, interval_seconds=seconds), discovery, (check, upstream))


def _traits(terms: _Terms) -> Traits:
    one = terms.settings
    parts = urlsplit(one.endpoint)
    return Traits(
        one.name,
        one.provider,
        service=f"{parts.scheme}://{parts.netloc}".lower(),
        caller_keys=one.caller_keys,
        max_in_flight=one.max_in_flight,
        max_queued=one.max_queued,
        queue_seconds=one.queue_seconds,
        starting_retry_seconds=terms.starting_retry_seconds,
        watched=one.health.interval_of(one.provider) > 0,
    )
