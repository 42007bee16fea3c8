"""The names of everything that the embed service measures."""

from __future__ import annotations

from prometheus_client import Counter, Gauge, Histogram

SECONDS = Histogram(
    "synapse_embedding_duration_seconds",
    "Time to answer an Embed request, waiting included.",
    buckets=(0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
)
ENCODE_SECONDS = Histogram(
    "synapse_embedding_encode_duration_seconds",
    "Time of one run of the model.",
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5),
)
BATCH_TEXTS = Histogram(
    "synapse_embedding_batch_texts", "Texts in one run of the model.", buckets=(1, 2, 4, 8, 16, 32, 64)
)
QUEUE_TEXTS = Gauge("synapse_embedding_queue_texts", "Texts that wait for the model.")
CACHED = Counter("synapse_embedding_cache_requests_total", "Texts looked up among the vectors kept.", ["result"])
HITS = CACHED.labels("hit")
MISSES = CACHED.labels("miss")
TOKENS = Counter("synapse_embedding_tokens_total", "Tokens of the texts that were asked for.")
TRUNCATED = Counter("synapse_embedding_truncated_total", "Texts that were cut at the model's window.")
ERRORS = Counter("synapse_embedding_errors_total", "Requests and batches that failed, by fault domain.", ["error_type"])
