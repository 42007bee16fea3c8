"""Text Embeddings Inference, over its HTTP API or its gRPC."""
