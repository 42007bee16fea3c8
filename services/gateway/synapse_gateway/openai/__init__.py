"""OpenAI's chat and completion requests and answers to and from the canonical form."""
