"""Checking served answers against the backend: audits, hindsight, and how two answers are compared."""
