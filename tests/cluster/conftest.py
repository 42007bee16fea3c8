"""Clusters for tests: one that tests of the runner share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.cluster.cluster import Cluster


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    """A cluster for small manifests; name what you put there as nobody else does."""
    with Cluster() as running:
        yield running
