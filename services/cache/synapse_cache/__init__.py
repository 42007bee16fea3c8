"""The cache service: may a stored answer be reused, and if not, who asks the backend?"""
