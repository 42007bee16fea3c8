"""Anthropic's messages, their answers and errors, to and from the canonical form."""
