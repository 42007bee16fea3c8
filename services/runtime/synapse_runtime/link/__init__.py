"""Links: many calls between two services over one gRPC stream, for the price of few (ADR 5)."""
