"""The OpenAI wire, as backends speak it."""
