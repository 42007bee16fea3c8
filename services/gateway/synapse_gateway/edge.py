"""The outer edge of every request: who asks, within which limits, what it cost, and how failures look.

A plain ASGI layer around the FastAPI application. The endpoints in `direct` are called straight from here: routing
and middleware behind would cost them 23 us CPU more, a tenth of a cached answer.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Mapping
from typing import Any, Protocol

from synapse_gateway.errors import to_problem
from synapse_gateway.exchange import SCOPE_KEY, Exchange, Receive, Scope, Send
from synapse_gateway.keys import KeyRing
from synapse_gateway.metrics import Metrics
from synapse_gateway.presence import CLIENT_LEFT
from synapse_gateway.problems import Problem, retry_headers, too_many
from synapse_gateway.spans import Spans
from synapse_runtime.errors import SynapseError

_log = logging.getLogger("synapse.gateway")
_BUSY_RETRY_SECONDS = 0.5
_DRAINING_RETRY_SECONDS = 1.0
_SLOW_SECONDS = 60.0


class Endpoint(Protocol):
    """Answers one kind of request."""

    @property
    def route(self) -> str:
        """Its name in the metrics."""
        ...

    async def __call__(self, exchange: Exchange) -> None:
        """Answer one request, or raise Problem or an error of the runtime's tree before the answer begins."""
        ...


class Edge:
    """The ASGI application that the server runs."""

    def __init__(
        self,
        app: Any,
        direct: Mapping[str, Endpoint],
        *,
        public: frozenset[str],
        keys: KeyRing,
        metrics: Metrics,
        max_concurrent: int,
        spans: Spans | None = None,
        access_log: bool = False,
    ) -> None:
        self._app = app
        self._direct = direct
        self._public = public
        self._keys = keys
        self.metrics = metrics
        self._max_concurrent = max_concurrent
        self._spans = spans
        self._access_log = access_log
        self._in_flight = 0
        metrics.watch_in_flight(lambda: self._in_flight, limit=max_concurrent)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection of the server."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        exchange = Exchange(scope, receive, send)
        scope[SCOPE_KEY] = exchange
        if scope["path"] in self._public:
            await self._app(scope, receive, exchange.send_on)
            return
        if self._spans is None:
            await self._answer(exchange)
            return
        with self._spans.around(exchange):
            await self._answer(exchange)

    async def _answer(self, exchange: Exchange) -> None:
        try:
            await self._serve(exchange)
        except Problem as problem:
            await self._refuse(exchange, problem)
        except SynapseError as error:
            await self._refuse(exchange, to_problem(error))
        except asyncio.CancelledError:
            await self._cut(exchange)
            raise
        except Exception as error:  # noqa: BLE001  # the outermost edge
            await self._broken(exchange, error)
        finally:
            seconds = time.perf_counter() - exchange.began
            status = exchange.status or CLIENT_LEFT
            self.metrics.request(exchange.route, status, seconds)
            if self._access_log or seconds > _SLOW_SECONDS:
                facts = {"request_id": exchange.request_id, "route": exchange.route, "status": status}
                _log.info("request served", extra={**facts, "seconds": round(seconds, 4)})

    async def _serve(self, exchange: Exchange) -> None:
        account = exchange.account = self._keys.account(exchange.headers)
        if self._in_flight >= self._max_concurrent:
            raise too_many(
                "The gateway has as many requests in flight as it may.", retry_after_seconds=_BUSY_RETRY_SECONDS
            )
        account.meter.enter(time.monotonic())
        self._in_flight += 1
        try:
            endpoint = self._direct.get(exchange.scope["path"])
            if endpoint is not None and exchange.scope["method"] == "POST":
                exchange.route = endpoint.route
                await endpoint(exchange)
            else:
                await self._app(exchange.scope, exchange.receive, exchange.send_on)
        finally:
            self._in_flight -= 1
            account.meter.leave()

    async def _refuse(self, exchange: Exchange, problem: Problem) -> None:
        self.metrics.error(problem.fault)
        facts = {"request_id": exchange.request_id, "status": problem.status, "error_type": problem.fault}
        level = logging.WARNING if problem.status >= 500 else logging.DEBUG
        _log.log(level, "request failed", extra=facts)
        if problem.status == CLIENT_LEFT:
            exchange.status = CLIENT_LEFT  # for the metrics: nobody reads a reply
        else:
            await exchange.refuse(problem)

    async def _cut(self, exchange: Exchange) -> None:
        """Tell a request that outlasts the drain time to try elsewhere; a reply that has begun breaks off."""
        self.metrics.error("synapse_draining")
        if not exchange.status:
            message = "The gateway is shutting down, and the request took longer than it waits."
            headers = retry_headers(_DRAINING_RETRY_SECONDS)
            await exchange.refuse(Problem(503, message, kind="server_error", code="unavailable", headers=headers))

    async def _broken(self, exchange: Exchange, error: Exception) -> None:
        self.metrics.error("synapse_internal")
        _log.error("request broke", exc_info=error, extra={"request_id": exchange.request_id})
        if exchange.status:
            raise error  # the server cuts the connection: a reply that has begun must not look complete
        message = "An internal error occurred; the log has it under the request id."
        await exchange.refuse(Problem(500, message, kind="server_error"))
