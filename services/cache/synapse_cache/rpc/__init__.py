"""CacheService on the wire, a face for each topic: parse, one call of the domain, reply."""
