"""The whole mesh on one machine: the supervisor and the command line."""
