"""Backends of the OpenAI embeddings API, and of the rerank API that grew beside it."""
