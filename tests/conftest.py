"""Fixtures that every test may use."""

pytest_plugins = ["tests.support.milvus_server", "tests.support.redis_servers"]
