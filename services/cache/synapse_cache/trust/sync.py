"""Sharing what is known about errors: this replica's news go to the store, the others' come back.

Requests never wait for it. While the store is down, news are kept and sent later; a namespace seen for the first time
is read at once in the background, and those told of lately are read when the service starts.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from synapse_cache import telemetry
from synapse_cache.model import Place
from synapse_cache.ports import StoreUnavailable
from synapse_cache.trust.evidence import Record
from synapse_cache.trust.news import NOTHING, News, Parcel, updated

if TYPE_CHECKING:
    from synapse_cache.ports import TrustStore
    from synapse_cache.trust.trust import Home, Trust

_log = logging.getLogger("synapse.cache.trust")
_EVERY_SECONDS = 1.0
_SOON_SECONDS = 0.05
_LAST_RETRY_SECONDS = 15.0
_ACTIVE_SECONDS = 60.0
_AT_ONCE = 8
_MOST_A_ROUND = 500
_MOST_AT_START = 1_000
_MOST_ASKED_FOR = 200
_MOST_HOMES = 10_000
_MOST_UNSENT = 1_024
_MOST_IN_A_PARCEL = 256
_WORTH_TELLING = 100


@dataclass(slots=True)
class _Mail:
    """What goes to and fro for one namespace: news not sent, news sent and not confirmed, and what was heard last."""

    unsent: News = NOTHING
    underway: News = NOTHING
    sequence: int = 0
    seen: int = 0
    known: Record = field(default_factory=Record)
    met: bool = False
    used_at: float = float("-inf")
    exchanged_at: float = float("-inf")
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)

    @property
    def is_worth_telling(self) -> bool:
        """Whether the store shall hear of it; a namespace that nobody is served from by meaning is not worth a key."""
        news, tally = self.unsent, self.unsent.tally
        if self.underway is not NOTHING:
            return True
        if news.evidence or news.switch or news.factor != 1 or tally.hits or tally.audits or tally.shadows:
            return True
        return tally.requests >= _WORTH_TELLING or (tally.requests > 0 and self.known.tally.requests > 0)

    def packed(self) -> News:
        """The news to send: those underway once more, or else the next of the unsent."""
        if self.underway is NOTHING and self.is_worth_telling:
            news = self.unsent
            self.underway = replace(news, evidence=news.evidence[:_MOST_IN_A_PARCEL])
            rest = news.evidence[_MOST_IN_A_PARCEL:]
            self.unsent = News(rest) if rest else NOTHING
            self.sequence += 1
        return self.underway


class TrustSync:
    """Keeps `trust` and `store` alike, about once a second; what the store cannot take is kept, within bounds."""

    def __init__(
        self,
        trust: Trust,
        store: TrustStore,
        *,
        every_seconds: float = _EVERY_SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._trust = trust
        self._store = store
        self._every = every_seconds
        self._clock = clock
        self._replica = secrets.token_hex(8)
        self._mails: OrderedDict[Home, _Mail] = OrderedDict()
        self._wake = asyncio.Event()
        trust.tell(self)

    def heard(self, home: Home, news: News) -> None:
        """Keep `news` to be sent; what changes the standing, or is of a namespace not met yet, is sent at once."""
        mail = self._mail(home)
        mail.unsent += news
        if len(mail.unsent.evidence) > _MOST_UNSENT:
            mail.unsent = replace(mail.unsent, evidence=mail.unsent.evidence[-_MOST_UNSENT:])
        mail.used_at = self._clock()
        if not mail.met or news.switch is not None or news.factor != 1:
            self._wake.set()

    async def run(self) -> None:
        """Exchange news until cancelled."""
        retry, met_all = self._every, False
        while True:
            met_all = met_all or await self._meet_all()
            if met_all and await self.round():
                retry = self._every
                await self._rest()
            else:
                await asyncio.sleep(retry)
                retry = min(retry * 2, _LAST_RETRY_SECONDS)

    async def round(self) -> bool:
        """Exchange what is due, once; false when the store is down."""
        now = self._clock()
        due = [home for home, mail in self._mails.items() if _is_due(mail, now)]
        due.sort(key=lambda home: self._mails[home].exchanged_at)
        for first in range(0, min(len(due), _MOST_A_ROUND), _AT_ONCE):
            taken = await asyncio.gather(*map(self._attempt, due[first : first + _AT_ONCE]))
            if not all(taken):
                return False
        return True

    async def meet(self, tenant: str, namespace: str) -> None:
        """Read what is known about a tenant's namespaces, or about one, that were not met yet.

        Raises StoreUnavailable.
        """
        places = await self._store.places(limit=_MOST_HOMES)
        wanted = [place for place in places if place.tenant == tenant and namespace in {"", place.namespace}]
        strange = [place for place in wanted if not self._mail((place.tenant, place.namespace)).met]
        for place in strange[:_MOST_ASKED_FOR]:
            await self._exchange((place.tenant, place.namespace))

    async def _meet_all(self) -> bool:
        """Note the namespaces told of lately, so that the next round reads them."""
        try:
            places = await self._store.places(limit=_MOST_AT_START)
        except StoreUnavailable as error:
            self._failed(error)
            return False
        for place in reversed(places):
            self._mail((place.tenant, place.namespace))
        return True

    async def _attempt(self, home: Home) -> bool:
        try:
            await self._exchange(home)
        except StoreUnavailable as error:
            self._failed(error)
            return False
        return True

    async def _exchange(self, home: Home) -> None:
        """Send what is unsent of one namespace, and take in what the others found out."""
        mail, place = self._mail(home), Place(*home)
        async with mail.lock:
            more = True
            while more:
                news = mail.packed()
                parcel = Parcel(self._replica, mail.sequence, news, mail.seen, mail.known)
                heard = await self._store.exchange(place, parcel)
                mail.underway, mail.seen, mail.met = NOTHING, heard.seen, True
                mail.known, mail.exchanged_at = replace(heard.record, evidence=()), self._clock()
                more = heard.more
                if heard.record.tally.requests:
                    self._trust.absorb(place, updated(heard.record, mail.unsent))

    async def _rest(self) -> None:
        """Wait for the next round: a second, or less when something is urgent."""
        try:
            async with asyncio.timeout(self._every):
                await self._wake.wait()
            await asyncio.sleep(_SOON_SECONDS)
        except TimeoutError:
            pass
        self._wake.clear()

    def _mail(self, home: Home) -> _Mail:
        mail = self._mails.get(home)
        if mail is None:
            mail = self._mails[home] = _Mail()
            if len(self._mails) > _MOST_HOMES:
                self._mails.popitem(last=False)
        return mail

    def _failed(self, error: StoreUnavailable) -> None:
        telemetry.dependency_failed("trust")
        _log.warning("what is known about errors is not shared for now", extra={"cause": str(error)})


def _is_due(mail: _Mail, now: float) -> bool:
    return not mail.met or mail.is_worth_telling or now - mail.used_at < _ACTIVE_SECONDS
