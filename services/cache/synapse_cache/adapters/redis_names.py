"""Names of keys in Redis: no choice of tenants and namespaces makes two of them meet."""

from __future__ import annotations

import hashlib


def digest(first: str, second: str) -> str:
    """32 hexadecimal digits of two texts, each with its length before it."""
    start = first.encode("utf-8", "surrogatepass")
    text = b"%d:%s%s" % (len(start), start, second.encode("utf-8", "surrogatepass"))
    return hashlib.blake2b(text, digest_size=16).hexdigest()


def namespace_tag(prefix: str, tenant: str, namespace: str) -> str:
    """What the names of everything in one namespace begin with; the braces keep them in one slot of a cluster."""
    return f"{prefix}:{{{digest(tenant, namespace)}}}:"
