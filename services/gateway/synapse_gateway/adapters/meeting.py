"""What brings equal questions to the same replica of the cache, where one answer serves all who ask at once."""

from __future__ import annotations

import hashlib

from synapse.cache.v1 import cache_pb2

_BYTES = 16


def meeting_key(request: cache_pb2.GenerateRequest | cache_pb2.StreamGenerateRequest) -> bytes:
    """Sixteen bytes that equal questions share, whole or streamed; coarser than the cache's own key."""
    question = request.request
    digest = hashlib.blake2b(question.model.encode(), digest_size=_BYTES)
    for part in (*question.messages, question.prompt):
        digest.update(part.SerializePartialToString(deterministic=True))
    return digest.digest()


KEYS = {f"/synapse.cache.v1.CacheService/{method}": meeting_key for method in ("Generate", "StreamGenerate")}
"""The methods whose requests meet."""
