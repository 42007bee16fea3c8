"""Ollama's native wire."""
