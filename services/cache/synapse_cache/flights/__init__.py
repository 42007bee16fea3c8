"""Equal questions share one backend call, in this process and across replicas; stale answers meanwhile."""
