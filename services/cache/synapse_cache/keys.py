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


def exact_key(canonical: bytes, *, user: str = "") -> str:
    """The exact key, 64 hexadecimal digits, of a question's canonical form; with `user`, of that end user's alone."""
    return hashlib.sha256(_KEY_PREFIX + canonical + _apart("user", user)).hexdigest()


def scope_key(canonical_without_prompt: bytes, *, user: str = "", freshness: str = "") -> str:
    """The scope, 64 hexadecimal digits: of the canonical form with the last user message's text taken out.

    Questions of different `freshness` have different scopes, so that an answer of today never serves a question of
    always, nor the other way round.
    """
    form = _SCOPE_PREFIX + canonical_without_prompt + _apart("user", user) + _apart("freshness", freshness)
    return hashlib.sha256(form).hexdigest()


def _apart(name: str, value: str) -> bytes:
    """What keeps keys apart beside the request: begins with a byte with which no field of a message can begin."""
    return f"\0{name}\0{value}".encode() if value else b""
