"""From one embedder to another while the old one serves."""
