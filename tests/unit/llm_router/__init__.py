"""The llm-router's own parts."""
