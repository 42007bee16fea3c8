"""Entries for tests."""

from __future__ import annotations

import dataclasses
import time
from typing import Any

from synapse_cache.model import Entry

_BASE = Entry(
    id="entry-1",
    key="a" * 64,
    scope="b" * 64,
    tenant="acme",
    namespace="default",
    epoch=1,
    model="some/model",
    prompt="What is the capital of France?",
    answer=b"\x0a\x02a1\x12\x05model",
    tokens=7,
    created_at=1_795_000_000.25,
    expires_at=1_795_003_600.5,
    semantic_expires_at=1_795_086_400.75,
    tags=("geo",),
)


def an_entry(**changes: Any) -> Entry:
    """An entry of fixed content with `changes`."""
    return dataclasses.replace(_BASE, **changes)


def a_live_entry(**changes: Any) -> Entry:
    """An entry stored now that lives for an hour, with `changes`."""
    now = time.time()
    return an_entry(**{"created_at": now, "expires_at": now + 3600, "semantic_expires_at": now + 86400} | changes)
