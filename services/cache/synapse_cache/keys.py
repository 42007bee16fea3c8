"""The exact key and the scope of a question: SHA-256 over its canonical form, versioned.

The canonical form is made by the wire adapter (`adapters.canonical`): every field that can change the answer, in one
fixed serialisation. A change of that form or of this module must raise VERSION, so that old entries are never met by
new keys; `tests/unit/cache/test_keys.py` holds golden vectors that fail otherwise.
"""

from __future__ import annotations

import hashlib

VERSION = 2
_KEY_PREFIX = f"synapse-key-v{VERSION}\0".encode()
_SCOPE_PREFIX = f"synapse-scope-v{VERSION}\0".encode()


def exact_key(canonical: bytes) -> str:
    """The exact key, 64 hexadecimal digits, of a question's canonical form."""
    return hashlib.sha256(_KEY_PREFIX + canonical).hexdigest()


def scope_key(canonical_without_prompt: bytes) -> str:
    """The scope, 64 hexadecimal digits: of the canonical form with the last user message's text taken out."""
    return hashlib.sha256(_SCOPE_PREFIX + canonical_without_prompt).hexdigest()
