"""The supervisor with the real services."""
