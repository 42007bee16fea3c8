"""What the gateway asks: the other services of the mesh."""
