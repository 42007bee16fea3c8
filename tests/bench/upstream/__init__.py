"""A fast upstream of constant answers in four wires: what the mesh and the driver ask in the benchmark."""
