"""Clusters for tests: one that tests of the runner share, and one with a release of the chart."""

from __future__ import annotations

from collections.abc import Iterator
from uuid import uuid4

import pytest

from tests.cluster.release import Release, installed
from tests.support.cluster.cluster import Cluster


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    """A cluster for small manifests; name what you put there as nobody else does."""
    with Cluster() as running:
        yield running


@pytest.fixture(scope="session")
def release(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Release]:
    """The chart, all of it ready; leave it as you found it."""
    with installed(tmp_path_factory.mktemp("release")) as running:
        yield running


@pytest.fixture
def namespace() -> str:
    """A namespace of the cache that nobody else uses."""
    return f"test-{uuid4().hex[:12]}"
