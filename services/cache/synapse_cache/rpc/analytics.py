"""Telling what was logged and what was saved."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from synapse.cache.v1 import analytics_pb2 as wire
from synapse_cache.adapters.analytics_wire import STATUSES, TIERS, log_of, savings_of, window_of
from synapse_cache.analytics.logbook import Sieve
from synapse_cache.ports import StoreUnavailable
from synapse_runtime.errors import FailedPrecondition, InvalidArgument, NotFound, PermissionDenied, Unavailable
from synapse_runtime.identity import Role

if TYPE_CHECKING:
    from synapse_cache.analytics.logbook import Logbook
    from synapse_cache.analytics.savings import SavingsReport
    from synapse_runtime.call import Call

_POSITION = re.compile(r"[0-9]{1,20}-[0-9]{1,20}")
_PAGE, _LARGEST_PAGE = 100, 1_000
_ALIKE, _MOST_ALIKE = 10, 100


@dataclass(frozen=True)
class AnalyticsRpc:
    """The servicer of the log and of savings; `logbook` is None where nothing is logged."""

    logbook: Logbook | None
    savings: SavingsReport

    async def list_request_logs(self, request: wire.ListRequestLogsRequest, call: Call) -> wire.ListRequestLogsResponse:
        """Tell logged requests of the caller's tenant, newest first."""
        logbook = readable(self.logbook, call)
        if request.page_token and not _POSITION.fullmatch(request.page_token):
            raise InvalidArgument("page_token is none of ours", metadata={"field": "page_token"})
        limit = _size(request.page_size, _PAGE, _LARGEST_PAGE)
        sieve = Sieve(
            TIERS.get(request.tier),
            STATUSES.get(request.status),
            request.namespace or None,
            request.model or None,
        )
        with reading("the log"):
            found, following = await logbook.page(call.identity.tenant, sieve, before=request.page_token, limit=limit)
        return wire.ListRequestLogsResponse(logs=map(log_of, found), next_page_token=following)

    async def get_request_log(self, request: wire.GetRequestLogRequest, call: Call) -> wire.GetRequestLogResponse:
        """Tell one logged request of the caller's tenant."""
        logbook = readable(self.logbook, call)
        with reading("the log"):
            one = await logbook.find(call.identity.tenant, request.id)
        if one is None:
            raise _not_logged(request.id)
        return wire.GetRequestLogResponse(log=log_of(one))

    async def list_similar_request_logs(
        self, request: wire.ListSimilarRequestLogsRequest, call: Call
    ) -> wire.ListSimilarRequestLogsResponse:
        """Tell logged requests of the caller's tenant that asked something like one."""
        logbook = readable(self.logbook, call)
        limit = _size(request.page_size, _ALIKE, _MOST_ALIKE)
        with reading("the log"):
            found = await logbook.like(call.identity.tenant, request.id, limit=limit)
        if found is None:
            raise _not_logged(request.id)
        return wire.ListSimilarRequestLogsResponse(logs=[log_of(one, similarity=cosine) for one, cosine in found])

    async def get_savings(self, request: wire.GetSavingsRequest, call: Call) -> wire.GetSavingsResponse:
        """Tell what hits saved: a tenant's, or everybody's for an admin."""
        admin, own = call.identity.role is Role.ADMIN, call.identity.tenant
        if not admin and request.tenant not in {"", own}:
            raise PermissionDenied("only an admin may ask for another tenant's savings")
        tenant = request.tenant or (None if admin else own)
        window = window_of(request.window) if request.HasField("window") else None
        with reading("savings"):
            return savings_of(await self.savings.of(tenant, window_seconds=window))


def readable(logbook: Logbook | None, call: Call) -> Logbook:
    """The log, for those who may read it; raises PermissionDenied, and FailedPrecondition where nothing is logged."""
    if call.identity.role is Role.VIEWER:
        raise PermissionDenied("the log holds other callers' requests: reading it needs the role operator or admin")
    if logbook is None:
        raise FailedPrecondition("nothing is logged: cache.log.entries is 0", reason="LOG_OFF")
    return logbook


@contextmanager
def reading(what: str) -> Iterator[None]:
    """Make Unavailable of a store that does not answer."""
    try:
        yield
    except StoreUnavailable as error:
        raise Unavailable(f"{what} cannot be read now: {error}", reason="STORE_UNAVAILABLE") from error


def _size(asked: int, usual: int, most: int) -> int:
    if not 0 <= asked <= most:
        raise InvalidArgument(f"page_size must lie between 0 and {most}", metadata={"field": "page_size"})
    return asked or usual


def _not_logged(request_id: str) -> NotFound:
    return NotFound(f"no request {request_id!r} is in the log", reason="REQUEST_NOT_LOGGED")
