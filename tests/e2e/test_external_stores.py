"""Meshes on stores of the operator's own: Debian's Redis 7.0 and Milvus 2.3."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator

import pytest

from tests.e2e.asking import Asker, eventually_hit
from tests.e2e.conftest import asking, running
from tests.e2e.load import running_load
from tests.e2e.upstream import Upstream, loop_thread
from tests.support.mesh import MeshProcess
from tests.support.redis_servers import RedisServer
from tests.support.relay import Relay

QUESTION = "What is the capital of France?"
REWORDED = "Can you tell me the capital of France?"
HANG_SECONDS = 2.5
SLOWEST_SECONDS = 2.0


class Cable:
    """A relay whose calls may come from any thread."""

    def __init__(self, relay: Relay, loop: asyncio.AbstractEventLoop) -> None:
        self._relay = relay
        self._loop = loop

    @property
    def endpoint(self) -> str:
        return self._relay.endpoint

    def plug(self) -> None:
        """Let everything through."""
        asyncio.run_coroutine_threadsafe(self._relay.start(), self._loop).result(10)

    def unplug(self) -> None:
        """Close every connection and the port."""
        asyncio.run_coroutine_threadsafe(self._relay.cut(), self._loop).result(10)

    def jam(self) -> None:
        """Let nothing through, while connections stay open."""
        self._loop.call_soon_threadsafe(self._relay.freeze)


@pytest.fixture(scope="module")
def cable(milvus_endpoint: str) -> Iterator[Cable]:
    """What connects the mesh with Milvus."""
    with loop_thread() as loop:
        cable = Cable(Relay(milvus_endpoint), loop)
        cable.plug()
        yield cable
        cable.unplug()


@pytest.fixture(scope="module")
def mesh_milvus(tmp_path_factory: pytest.TempPathFactory, upstream: Upstream, cable: Cable) -> Iterator[MeshProcess]:
    state = tmp_path_factory.mktemp("milvus") / "state"
    with running(MeshProcess(state, "--upstream", upstream.url, "--milvus", cable.endpoint)) as mesh:
        yield mesh


@pytest.fixture(scope="module")
def redis7(redis_servers: Callable[[str], RedisServer]) -> RedisServer:
    return redis_servers("redis-7.0")


@pytest.fixture(scope="module")
def mesh_redis7(
    tmp_path_factory: pytest.TempPathFactory, upstream: Upstream, redis7: RedisServer
) -> Iterator[MeshProcess]:
    state = tmp_path_factory.mktemp("redis7") / "state"
    with running(MeshProcess(state, "--upstream", upstream.url, "--redis-url", redis7.url)) as mesh:
        yield mesh


@pytest.fixture
def ask(request: pytest.FixtureRequest, namespace: str) -> Iterator[Asker]:
    """Asks the mesh that the test names by its marker `mesh`."""
    mesh: MeshProcess = request.getfixturevalue(request.param)
    with asking(mesh, namespace) as asker:
        yield asker


on_milvus = pytest.mark.parametrize("ask", [pytest.param("mesh_milvus", marks=pytest.mark.milvus)], indirect=True)
on_each = pytest.mark.parametrize(
    "ask",
    [
        pytest.param("mesh_redis7", marks=pytest.mark.redis7),
        pytest.param("mesh_milvus", marks=pytest.mark.milvus),
    ],
    indirect=True,
)


@on_each
def test_questions_hit_by_key_and_by_meaning(ask: Asker) -> None:
    first = ask(QUESTION)
    assert [first.status, ask(QUESTION).status] == ["MISS", "HIT-L1"]
    assert eventually_hit(ask, REWORDED) == "HIT-L2"
    assert ask(REWORDED).text == first.text
    assert ask("What is the capital of Germany?").status == "MISS"


@pytest.mark.redis7
def test_answers_lie_in_the_operator_s_redis(mesh_redis7: MeshProcess) -> None:
    with pytest.raises(LookupError):
        mesh_redis7.part("valkey")


@pytest.mark.redis7
def test_the_death_of_redis_fails_no_request(mesh_redis7: MeshProcess, redis7: RedisServer, namespace: str) -> None:
    with running_load(mesh_redis7, namespace) as load:
        time.sleep(0.5)
        redis7.stop()
        time.sleep(1.0)
        redis7.start()
        assert load.wait_for_hit(20)
    assert load.failures() == []
    assert load.slowest() < SLOWEST_SECONDS


@on_milvus
def test_answers_in_milvus_outlive_the_cache_process(ask: Asker, mesh_milvus: MeshProcess) -> None:
    ask(QUESTION)
    assert eventually_hit(ask, REWORDED) == "HIT-L2"
    mesh_milvus.wait_until_back("cache", killed=mesh_milvus.kill("cache"))
    assert eventually_hit(ask, "Tell me the capital of France.") == "HIT-L2"


@pytest.mark.milvus
@pytest.mark.parametrize("trouble", ["unplug", "jam"])
def test_losing_milvus_fails_no_request(mesh_milvus: MeshProcess, cable: Cable, namespace: str, trouble: str) -> None:
    with running_load(mesh_milvus, namespace) as load:
        time.sleep(0.7)
        getattr(cable, trouble)()
        try:
            time.sleep(HANG_SECONDS)
            assert len(load.since(time.monotonic() - HANG_SECONDS)) > 20
        finally:
            cable.plug()
        assert load.wait_for_hit(20)
    assert load.failures() == []
    assert len(load.samples) > 50
    assert load.slowest() < SLOWEST_SECONDS
