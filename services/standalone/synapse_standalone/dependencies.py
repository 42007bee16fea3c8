"""Tries what the mesh leans on: Valkey, Redis, Milvus. Every question has a bound."""

from __future__ import annotations

import subprocess  # Valkey is asked for its version
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from synapse_standalone.findings import Finding, Level

_SECONDS = 5.0
_OLDEST_REDIS = (7, 0)


def valkey(server: Path) -> Finding:
    """Whether the embedded server runs on this machine."""
    try:
        done = subprocess.run([server, "--version"], capture_output=True, text=True, timeout=_SECONDS, check=True)
    except (OSError, subprocess.SubprocessError) as error:
        return Finding(Level.FAIL, "valkey", f"cannot be run: {error}", "Name a Redis of your own with --redis-url.")
    return Finding(Level.OK, "valkey", done.stdout.strip().partition(" sha=")[0])


async def redis(url: str) -> Finding:
    """Whether the Redis at `url` answers and is new enough."""
    from redis.asyncio import Redis
    from redis.exceptions import RedisError

    try:
        async with Redis.from_url(url, socket_timeout=_SECONDS, socket_connect_timeout=_SECONDS) as client:
            facts = await client.info("server")
    except (OSError, ValueError, RedisError) as error:
        return Finding(Level.WARN, "redis", f"does not answer: {error}", "The mesh runs without it and remembers less.")
    version = str(facts.get("redis_version", "0"))
    if tuple(int(part) for part in version.split(".")[:2]) < _OLDEST_REDIS:
        return Finding(Level.FAIL, "redis", f"is version {version}", "Redis 7.0 or newer is needed.")
    return Finding(Level.OK, "redis", f"version {version} answers")


def milvus(cache: Mapping[str, Any]) -> Finding:
    """Whether the Milvus of the section `cache` answers."""
    from pymilvus import MilvusClient
    from pymilvus.exceptions import MilvusException

    endpoint = str(cache.get("milvus_endpoint", ""))
    token = str(cache.get("milvus_token", ""))
    try:
        client = MilvusClient(uri=f"http://{endpoint}", token=token, timeout=_SECONDS)
        version = client.get_server_version(timeout=_SECONDS)
        client.close()
    except (MilvusException, ValueError, OSError) as error:
        remedy = "The mesh runs without it, by exact matches alone; is the endpoint host:port of a Milvus 2.3 or newer?"
        return Finding(Level.WARN, "milvus", f"{endpoint or 'no endpoint'} does not answer: {error}", remedy)
    return Finding(Level.OK, "milvus", f"version {version} answers at {endpoint}")
