"""The supervisor and the command line, on small stand-in processes."""
