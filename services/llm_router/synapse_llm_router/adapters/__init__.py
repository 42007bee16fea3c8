"""How the router speaks to backends: the OpenAI wire over HTTP, and what measures it."""
