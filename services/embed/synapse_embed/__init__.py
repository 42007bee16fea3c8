"""Texts to vectors: one model in this process behind a small gRPC face."""
