"""The cache service: decides whether a stored answer may be reused, and asks the backends when none may."""
