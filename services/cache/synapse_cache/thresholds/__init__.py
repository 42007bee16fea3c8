"""What operators decided about reuse, by tenant."""
