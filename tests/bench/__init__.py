"""The benchmark: `python -m tests.bench` measures the running mesh beside the floors of the same run."""
