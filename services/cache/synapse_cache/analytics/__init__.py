"""What happened and what it saved: the log, savings, and simulations on the log."""
