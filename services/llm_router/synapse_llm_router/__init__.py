"""The llm-router: questions to the backends that can answer them."""
