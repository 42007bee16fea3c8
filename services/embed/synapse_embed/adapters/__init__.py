"""What the embed service runs on: models in this process, and the files that they come from."""
