"""Stored values that may not be served: counted and logged, whichever store held them."""

from __future__ import annotations

import logging

from synapse_cache import telemetry

_log = logging.getLogger("synapse.cache.stores")


def reject(store: str, reason: str, detail: str) -> None:
    """Tell that `store` held a value that is not served; `reason` is "corrupt" or "foreign"."""
    telemetry.entry_rejected(store, reason)
    _log.error("a stored value was rejected", extra={"store": store, "reason": reason, "detail": detail})
