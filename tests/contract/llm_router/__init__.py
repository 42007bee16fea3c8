"""The llm-router over gRPC, against a double with faults and against llama.cpp."""
