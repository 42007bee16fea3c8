"""What must not be shared, and for how long: identifiers, private state, time, probing."""
