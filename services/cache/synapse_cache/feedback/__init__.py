"""What people and comparisons say about pairs of a wording and an entry, and what follows."""
