"""What is known about errors, by namespace: evidence, bounds, and the control that follows from them."""
