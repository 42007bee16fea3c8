"""Units of the embed service."""
