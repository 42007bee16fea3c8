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
    "Time of one run of the model, or of one call to its backend.",
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5),
)
RERANK_SECONDS = Histogram(
    "synapse_rerank_duration_seconds",
    "Time to answer a Rerank request, waiting included.",
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
)
RERANK_DOCUMENTS = Counter("synapse_rerank_documents_total", "Documents that were ranked.")
BACKEND_UP = Gauge("synapse_embedding_backend_up", "Whether the backend that encodes answered when last looked after.")
MODEL_CHANGES = Counter("synapse_embedding_model_changes_total", "Times that the backend's model became another.")
BATCH_TEXTS = Histogram(
    "synapse_embedding_batch_texts",
    "Texts in one run of the model, or in one call to its backend.",
    buckets=(1, 2, 4, 8, 16, 32, 64),
)
QUEUE_TEXTS = Gauge(
    "synapse_embedding_queue_texts", "Texts that wait for the model, at a backend those under way included."
)
CACHED = Counter("synapse_embedding_cache_requests_total", "Texts looked up among the vectors kept.", ["result"])
HITS = CACHED.labels("hit")
MISSES = CACHED.labels("miss")
SHARED = CACHED.labels("shared")
TOKENS = Counter("synapse_embedding_tokens_total", "Tokens of the texts that were asked for.")
TRUNCATED = Counter("synapse_embedding_truncated_total", "Texts that were cut at the model's window.")
ERRORS = Counter("synapse_embedding_errors_total", "Requests and batches that failed, by fault domain.", ["error_type"])
