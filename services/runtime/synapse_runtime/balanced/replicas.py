"""The replicas that a balanced channel knows, and which of them a call goes to."""

from __future__ import annotations

import asyncio
import hashlib
import logging
import random
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from typing import Any

import grpc

from synapse_runtime.balanced.addresses import Resolve

_log = logging.getLogger("synapse.balanced")
REFRESH_SECONDS = 5.0
"""How often the addresses are asked for; at once, too, when a replica could not be reached."""
_PAUSE_SECONDS = 0.25
_AWAY_SECONDS = 1.0
_LEAVE_SECONDS = 900.0


class Replica:
    """One replica: its address, the channel to it, how many calls it has from here."""

    def __init__(self, address: str, channel: grpc.aio.Channel) -> None:
        self.address = address
        self.channel = channel
        self.in_flight = 0
        self.away_until = 0.0
        self._name = address.encode()
        self._methods: dict[tuple[str, str], Any] = {}

    def method(self, kind: str, path: str, serialise: Any = None, parse: Any = None) -> Any:
        """The callable of a method on this replica; `kind` is what gRPC's channels call it."""
        known = self._methods.get((kind, path))
        if known is None:
            known = self._methods[kind, path] = getattr(self.channel, kind)(path, serialise, parse)
        return known

    def unreached(self) -> None:
        """Ask others first for a moment."""
        self.away_until = time.monotonic() + _AWAY_SECONDS

    def rank(self, key: bytes) -> bytes:
        """Its place for `key` among all replicas, the lowest first (rendezvous hashing)."""
        return hashlib.blake2b(self._name, digest_size=8, key=key).digest()


class Replicas:
    """The replicas behind a target, kept as the resolver tells them."""

    def __init__(self, resolve: Resolve, open_one: Callable[[str], grpc.aio.Channel]) -> None:
        self._resolve = resolve
        self._open_one = open_one
        self._known: dict[str, Replica] = {}
        self._resolved = asyncio.Event()
        self._wanted = asyncio.Event()
        self._watching = asyncio.get_running_loop().create_task(self._watch())
        self._leaving: set[asyncio.Task[None]] = set()

    def __len__(self) -> int:
        return len(self._known)

    @property
    def known(self) -> Iterable[Replica]:
        """The replicas of the moment."""
        return self._known.values()

    async def found(self) -> None:
        """Wait until the addresses were asked for once."""
        await self._resolved.wait()

    def refresh(self) -> None:
        """Ask for the addresses soon."""
        self._wanted.set()

    def order(self, key: bytes | None) -> Sequence[Replica]:
        """The replicas to try for a call, best first; what could not be reached a moment ago comes last.

        With a key the order is the same in every process that knows the same replicas; without one the less busy of
        two picked at random is the first.
        """
        replicas = list(self._known.values())
        if len(replicas) == 1:
            return replicas
        if key is not None:
            replicas.sort(key=lambda one: one.rank(key))
        else:
            random.shuffle(replicas)
            if replicas[1:] and replicas[1].in_flight < replicas[0].in_flight:
                replicas[:2] = replicas[1::-1]
        now = time.monotonic()
        replicas.sort(key=lambda one: one.away_until > now)
        return replicas

    async def close(self, grace: float | None) -> None:
        """Stop watching and close every channel."""
        tasks = [*self._leaving, self._watching]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for replica in self._known.values():
            await replica.channel.close(grace)

    async def _watch(self) -> None:
        while True:
            try:
                self._take(await self._resolve())
            except OSError as error:  # those known may serve on
                _log.warning("the addresses of a service are not told", extra={"error": str(error)})
            self._resolved.set()
            with suppress(TimeoutError):
                async with asyncio.timeout(REFRESH_SECONDS):
                    await self._wanted.wait()
            await asyncio.sleep(_PAUSE_SECONDS)
            self._wanted.clear()

    def _take(self, addresses: tuple[str, ...]) -> None:
        for address in addresses:
            if address not in self._known:
                self._known[address] = Replica(address, self._open_one(address))
        for address in [known for known in self._known if known not in addresses]:
            task = asyncio.create_task(_leave(self._known.pop(address)))
            self._leaving.add(task)
            task.add_done_callback(self._leaving.discard)


async def _leave(replica: Replica) -> None:
    """Close the channel to a replica that is gone, once its calls have ended."""
    try:
        async with asyncio.timeout(_LEAVE_SECONDS):
            while replica.in_flight:  # noqa: ASYNC110  # seconds do not matter here
                await asyncio.sleep(1)
    except TimeoutError:
        _log.warning("a replica that left still has calls", extra={"address": replica.address})
    finally:
        await replica.channel.close(None)
