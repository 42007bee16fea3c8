"""Why a request hits, misses or bypasses the cache."""
