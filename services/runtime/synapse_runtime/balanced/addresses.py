"""Where the replicas of a service are: the addresses behind a target, as DNS or the target itself tells them."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable
from typing import TypeAlias

from synapse_runtime.settings import SettingsError

Resolve: TypeAlias = Callable[[], Awaitable[tuple[str, ...]]]
"""Tells the addresses of the moment, host:port, sorted; raises OSError when nobody can tell them."""
_DNS, _STATIC = "dns:///", ("ipv4:", "ipv6:")
_RESOLVE_SECONDS = 5.0


def resolver_of(target: str) -> Resolve | None:
    """What resolves `target`: dns:///name:port or ipv4:a:1,b:2; None for a target that is one address.

    Raises SettingsError for a target of these forms that names no port.
    """
    if target.startswith(_DNS):
        host, separator, port = target.removeprefix(_DNS).rpartition(":")
        if not separator or not port.isdecimal() or not host:
            raise SettingsError(f"{target!r} names no port: write dns:///name:port")
        return _Dns(host.strip("[]"), int(port))
    if target.startswith(_STATIC):
        return _Static(target.partition(":")[2])
    return None


class _Static:
    """Addresses that never change."""

    def __init__(self, text: str) -> None:
        self._addresses = tuple(sorted(filter(None, text.split(","))))

    async def __call__(self) -> tuple[str, ...]:
        return self._addresses


class _Dns:
    """A name that leads to one address for each replica, such as that of a headless Service."""

    def __init__(self, host: str, port: int) -> None:
        self._host = host
        self._port = port

    async def __call__(self) -> tuple[str, ...]:
        loop = asyncio.get_running_loop()
        async with asyncio.timeout(_RESOLVE_SECONDS):  # TimeoutError is an OSError
            found = await loop.getaddrinfo(self._host, self._port, type=socket.SOCK_STREAM)
        return tuple(sorted({_address(str(place[0]), self._port) for *_, place in found}))


def _address(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
