"""Triton, or another server of the KServe v2 gRPC protocol."""
