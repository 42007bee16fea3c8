"""The wire that a configured mapping describes."""
