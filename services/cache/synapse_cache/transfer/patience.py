"""Asking again: a walk of many exchanges should not end with one that failed."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from synapse_cache.ports import StoreUnavailable

T = TypeVar("T")
_TRIES = 3
_RETRY_SECONDS = 0.2


async def patiently(work: Callable[[], Awaitable[T]]) -> T:
    """The result of `work()`, tried three times; raises the last StoreUnavailable."""
    for _ in range(_TRIES - 1):
        try:
            return await work()
        except StoreUnavailable:
            await asyncio.sleep(_RETRY_SECONDS)
    return await work()
