"""Parts of the cache put together, for the app."""
