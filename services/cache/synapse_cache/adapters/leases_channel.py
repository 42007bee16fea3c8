"""The channel on which replicas tell each other that a lease was let go, and that they are there at all.

One connection of each replica listens; every few seconds it must hear what the replica says itself, or it is opened
anew. Nothing depends on a message: what is not heard is found by looking.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from redis.exceptions import RedisError

from synapse_cache.adapters.exact_redis_link import RedisLink
from synapse_cache.ports import StoreUnavailable

FREE, UNSHARED = b"free", b"unshared"
_HELLO, _FLUSH = b"hello", b"flush"
_EVERYBODY = b"*"
_log = logging.getLogger("synapse.cache.leases")


class LeaseChannel:
    """A Redis channel `name`; `heard` is called with the key of a lease and whether its answer is there to share.

    `hello_seconds` is how often a replica says that it is there; one that was not heard for three times that is gone.
    """

    def __init__(
        self,
        link: RedisLink,
        name: str,
        *,
        heard: Callable[[bytes, bool], None],
        hello_seconds: float = 5.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._link = link
        self._name = name
        self._heard = heard
        self._every = hello_seconds
        self._clock = clock
        self._me = secrets.token_hex(8).encode()
        self._echoed = False
        self._company_until = 0.0

    @property
    def listens(self) -> bool:
        """Whether what others tell is heard at the moment."""
        return self._echoed

    @property
    def alone(self) -> bool:
        """Whether nobody else is there; False where that is not known."""
        return self._echoed and self._clock() >= self._company_until

    async def run(self, flushed: Callable[[str | None], object]) -> None:
        """Listen until cancelled; a connection that breaks or falls silent is opened anew."""
        while True:
            try:
                await self._listen(flushed)
            except (RedisError, OSError, StoreUnavailable) as error:
                _log.debug("other replicas are not heard", extra={"cause": str(error) or repr(error)})
            finally:
                self._echoed = False
            await asyncio.sleep(self._every / 5)

    async def flush(self, tenant: str | None) -> None:
        """Tell every other replica to flush; raises StoreUnavailable."""
        whose = _EVERYBODY if tenant is None else b"=" + tenant.encode("utf-8", "surrogatepass")
        await self._tell(_FLUSH, self._me, whose)

    async def _listen(self, flushed: Callable[[str | None], object]) -> None:
        connection = self._link.connection()
        greeting: asyncio.Task[None] | None = None
        try:
            async with asyncio.timeout(self._every):
                await connection.connect()
                await connection.send_command("SUBSCRIBE", self._name)
                await connection.read_response()
            greeting = asyncio.create_task(self._greet())
            while True:
                async with asyncio.timeout(2 * self._every):
                    message = await connection.read_response()
                self._take(message, flushed)
        finally:
            if greeting is not None:
                greeting.cancel()
            with suppress(RedisError, OSError):
                await connection.disconnect(nowait=True)

    async def _greet(self) -> None:
        """Say that this replica is there, again and again."""
        while True:
            with suppress(StoreUnavailable):  # then the echo does not come either
                await self._tell(_HELLO, self._me)
            await asyncio.sleep(self._every)

    async def _tell(self, *words: bytes) -> None:
        await self._link.call("PUBLISH", self._name, b" ".join(words))

    def _take(self, message: Any, flushed: Callable[[str | None], object]) -> None:
        if not isinstance(message, list) or message[0] != b"message":
            return
        kind, _, rest = message[2].partition(b" ")
        if kind == _HELLO:
            self._meet(rest)
        elif kind in {FREE, UNSHARED}:
            self._heard(rest, kind == FREE)
        elif kind == _FLUSH:
            who, _, whose = rest.partition(b" ")
            if who != self._me:
                flushed(None if whose == _EVERYBODY else whose[1:].decode("utf-8", "surrogatepass"))

    def _meet(self, who: bytes) -> None:
        now = self._clock()
        if who != self._me:
            self._company_until = now + 3 * self._every
        elif not self._echoed:  # those who are there say so within this time
            self._echoed = True
            self._company_until = max(self._company_until, now + 2 * self._every)
