"""What happens to prompts that name a person or an account, or ask about the caller's own affairs."""

from __future__ import annotations

from enum import StrEnum

from synapse_cache.privacy import identifiers

_LONGEST_SCANNED = 20_000


class PersonalData(StrEnum):
    """What happens to a prompt with personal identifiers."""

    ALLOW = "allow"
    EXACT_ONLY = "exact_only"
    NO_STORE = "no_store"


class PersonalState(StrEnum):
    """What happens to a prompt about the caller's own affairs, such as "what is my balance"."""

    ALLOW = "allow"
    """Nothing: it is matched by meaning, and shared, like any other."""
    EXACT_ONLY = "exact_only"
    """It is matched by its exact key only."""
    BY_USER = "by_user"
    """It is matched by its exact key only, and that key contains the end user whom the request names."""


def has_identifiers(text: str) -> bool:
    """Whether `text` holds what looks like a personal identifier; texts beyond 20,000 characters count as if."""
    return len(text) > _LONGEST_SCANNED or identifiers.kind(text) is not None
