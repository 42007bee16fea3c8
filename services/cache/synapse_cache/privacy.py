"""Does a text name a person or an account? Such prompts are matched by exact key only, or not stored, by policy."""

from __future__ import annotations

import re
from enum import StrEnum


class PersonalData(StrEnum):
    """What happens to a prompt with personal identifiers."""

    ALLOW = "allow"
    EXACT_ONLY = "exact_only"
    NO_STORE = "no_store"


_IDENTIFIERS = re.compile(
    r"""
      [\w.+-]+@[\w-]+\.[\w.-]+                                  # an e-mail address
    | (?<![\w.])\+?\d(?:[\s().-]?\d){8,}(?![\w])                # a phone, card or account number: 9 digits and more
    | \b[A-Z]{2}\d{2}(?:\s?[A-Z0-9]{4}){3,7}(?:\s?[A-Z0-9]{1,4})?\b   # an IBAN
    | \b\d{3}-\d{2}-\d{4}\b                                     # a social security number
    | \b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b   # a UUID
    | \b(?:sk|pk|ghp|xox[abp])[-_][A-Za-z0-9_-]{16,}            # a secret key
    """,
    re.VERBOSE | re.ASCII,
)
_LONGEST_SCANNED = 20_000


def has_identifiers(text: str) -> bool:
    """Whether `text` holds what looks like a personal identifier; texts beyond 20,000 characters count as if."""
    return len(text) > _LONGEST_SCANNED or _IDENTIFIERS.search(text) is not None
