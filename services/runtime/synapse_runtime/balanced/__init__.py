"""Calls shared among all replicas of a service, in the client, without a proxy between (ADR 7)."""
