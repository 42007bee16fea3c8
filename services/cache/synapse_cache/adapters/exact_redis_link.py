"""Connections to one Redis, kept open and lent to one exchange at a time.

redis-py's own connections are used bare: they bring URLs, TLS, authentication and hiredis. Its client and pool around
them double the processor time of a GET (36 us against 17 us), mostly for retries and one timer per read; here one
timer bounds the whole exchange. A connection whose exchange did not end properly is never used again, so a reply
can never reach the wrong question.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from typing import Any, TypeAlias

import hiredis
from redis.asyncio.connection import ConnectionPool
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import ReadOnlyError, RedisError, ResponseError

from synapse_cache.ports import StoreUnavailable

Command: TypeAlias = "tuple[str | bytes | int, ...]"
_pack: Callable[[Command], bytes] = hiredis.pack_command  # type: ignore[assignment]  # its stub knows 1-tuples only


class RedisLink:
    """Commands to the Redis at `url` (redis://, rediss:// or unix://), each exchange within `timeout_seconds`.

    At most `max_connections` are open; further exchanges wait their turn, within the same time. Nothing is opened
    before the first exchange. Every failure is StoreUnavailable, without URL or credential in its text.
    """

    def __init__(self, url: str, *, timeout_seconds: float, max_connections: int) -> None:
        try:
            self._factory: Any = ConnectionPool.from_url(url, retry=Retry(NoBackoff(), 0))
        except ValueError:  # its text may hold a part of the password
            raise ValueError("the Redis URL cannot be read: redis://, rediss:// or unix:// is expected") from None
        options = {"protocol": 2, "decode_responses": False, "socket_timeout": None, "socket_connect_timeout": None}
        self._factory.connection_kwargs.update(options)
        self._timeout = timeout_seconds
        self._slots = asyncio.Semaphore(max_connections)
        self._closed = False
        self._idle: list[Any] = []

    async def call(self, *command: str | bytes | int) -> Any:
        """The reply to one command."""
        return (await self._exchange(_pack(command), 1))[0]

    async def call_all(self, commands: Sequence[Command]) -> list[Any]:
        """The replies to commands sent together, in order; raises for the first that was refused."""
        return await self._exchange(b"".join(map(_pack, commands)), len(commands))

    def connection(self) -> Any:
        """A connection of redis-py that is not one of the link's, not opened yet: for listening on it."""
        return self._factory.make_connection()

    async def close(self) -> None:
        """Close every idle connection; those in use close when their exchange ends."""
        self._closed = True
        with suppress(RedisError, OSError):
            async with asyncio.timeout(self._timeout):
                await self._drop(self._idle, nowait=False)

    async def _exchange(self, packed: bytes, replies: int) -> list[Any]:
        if self._closed:
            raise StoreUnavailable("Redis: the link is closed")
        try:
            async with asyncio.timeout(self._timeout), self._slots:
                return await self._twice_if_stale(packed, replies)
        except TimeoutError as error:
            raise StoreUnavailable(f"Redis did not answer within {self._timeout} s") from error
        except (RedisError, OSError) as error:
            raise StoreUnavailable(f"Redis: {type(error).__name__}: {error}") from error

    async def _twice_if_stale(self, packed: bytes, replies: int) -> list[Any]:
        """Every command sent here may be repeated, so a kept connection that turns out dead costs a second try."""
        if self._idle:
            try:
                return await self._once(self._idle.pop(), packed, replies)
            except RedisConnectionError:
                await self._drop(self._idle)
        return await self._once(self._factory.make_connection(), packed, replies)

    async def _once(self, connection: Any, packed: bytes, replies: int) -> list[Any]:
        answers: list[Any] = []
        try:
            if not connection.is_connected:
                await connection.connect()
            await connection.send_packed_command(packed, check_health=False)
            while len(answers) < replies:
                answers.append(await _reply(connection))
        finally:
            if len(answers) == replies and not self._closed and not _is_demoted(answers):
                self._idle.append(connection)
            else:
                await connection.disconnect(nowait=True)
        for answer in answers:
            if isinstance(answer, ResponseError):
                raise answer
        return answers

    @staticmethod
    async def _drop(connections: list[Any], *, nowait: bool = True) -> None:
        while connections:
            await connections.pop().disconnect(nowait=nowait)


async def _reply(connection: Any) -> Any:
    try:
        return await connection.read_response()
    except ResponseError as refusal:
        return refusal


def _is_demoted(answers: Iterable[Any]) -> bool:
    """Whether the server became a replica: the name must be looked up anew."""
    return any(isinstance(answer, ReadOnlyError) for answer in answers)
