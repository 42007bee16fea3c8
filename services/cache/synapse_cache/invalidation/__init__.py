"""Taking answers back, everywhere and at once."""
