"""What survives crashes and outages: accepted answers, and every request."""

from __future__ import annotations

import time
from collections.abc import Iterator

import openai
import pytest

from tests.e2e.asking import Asker, eventually_hit
from tests.e2e.conftest import asking, running
from tests.e2e.load import running_load
from tests.e2e.upstream import Upstream, echo
from tests.support.mesh import MeshProcess, free_port, write_config

QUESTION = "What is the capital of France?"
REWORDED = "Can you tell me the capital of France?"
HANG_SECONDS = 2.5
SLOWEST_SECONDS = 2.0
"""Far above the budgets of all dependencies together (0.4 s), since the machine is busy with the test itself."""


@pytest.fixture(scope="module")
def mesh(tmp_path_factory: pytest.TempPathFactory, upstream: Upstream) -> Iterator[MeshProcess]:
    """A mesh of this module's own, since parts of it are killed, with configured backends, one of them dead."""
    folder = tmp_path_factory.mktemp("durable")
    backends = [
        {"name": "double", "endpoint": f"{upstream.url}/v1/", "models": ["echo", "org/alias=echo"]},
        {"name": "dead", "endpoint": f"http://127.0.0.1:{free_port()}", "models": ["dead/model"]},
    ]
    config = write_config(folder / "config.json", {"router": {"backends": backends}})
    with running(MeshProcess(folder / "state", "--config", str(config))) as mesh:
        yield mesh


@pytest.fixture
def ask(mesh: MeshProcess, namespace: str) -> Iterator[Asker]:
    with asking(mesh, namespace) as asker:
        yield asker


def test_an_answer_survives_the_death_of_the_cache_right_after_the_reply(ask: Asker, mesh: MeshProcess) -> None:
    stored = ask(QUESTION)
    mesh.wait_until_back("cache", killed=mesh.kill("cache"))
    again = ask(QUESTION)
    assert again.status == "HIT-L1"
    assert again.headers["x-synapse-entry-id"] == stored.headers["x-synapse-entry-id"]
    assert again.text == stored.text
    assert ask(REWORDED).status == "HIT-L2"


def test_a_stopped_and_started_mesh_still_knows_its_answers(ask: Asker, mesh: MeshProcess) -> None:
    stored = ask(QUESTION)
    assert mesh.stop() == 0
    assert not (mesh.state / "endpoint.json").exists()
    mesh.start()
    assert ask(QUESTION).text == stored.text
    assert [ask(prompt).status for prompt in (QUESTION, REWORDED, REWORDED)] == ["HIT-L1", "HIT-L2", "HIT-L1"]


def test_answers_survive_a_power_cut_right_after_the_reply(ask: Asker, mesh: MeshProcess) -> None:
    stored, streamed = ask(QUESTION), ask.stream("How is glass made?")
    mesh.crash()
    mesh.start()
    assert [ask(prompt).status for prompt in (QUESTION, "How is glass made?")] == ["HIT-L1", "HIT-L1"]
    assert ask(REWORDED).text == stored.text
    assert ask("How is glass made?").text == streamed.text


@pytest.mark.parametrize("part", ["valkey", "embed"])
def test_the_death_of_a_dependency_fails_no_request(mesh: MeshProcess, namespace: str, part: str) -> None:
    with running_load(mesh, namespace) as load:
        time.sleep(0.7)
        mesh.wait_until_back(part, killed=mesh.kill(part))
        time.sleep(0.5)
        assert load.wait_for_hit(20)
    assert load.failures() == []
    assert len(load.samples) > 50
    assert load.slowest() < SLOWEST_SECONDS


@pytest.mark.parametrize("part", ["valkey", "embed"])
def test_a_dependency_that_hangs_fails_no_request(mesh: MeshProcess, namespace: str, part: str) -> None:
    with running_load(mesh, namespace) as load:
        time.sleep(0.7)
        hanging = mesh.part(part)
        hanging.suspend()
        try:
            time.sleep(HANG_SECONDS)
            assert len(load.since(time.monotonic() - HANG_SECONDS)) > 20
        finally:
            hanging.resume()
        assert load.wait_for_hit(20)
    assert load.failures() == []
    assert len(load.samples) > 50
    assert load.slowest() < SLOWEST_SECONDS


def test_answers_given_while_valkey_hangs_are_kept_once_it_is_back(ask: Asker, mesh: MeshProcess) -> None:
    ask("How is glass made?")
    hanging = mesh.part("valkey")
    hanging.suspend()
    try:
        assert ask(QUESTION).text == echo(QUESTION)
    finally:
        hanging.resume()
    assert eventually_hit(ask, QUESTION) == "HIT-L1"


def test_an_answer_accepted_in_an_outage_survives_the_death_of_the_cache(ask: Asker, mesh: MeshProcess) -> None:
    ask("How is glass made?")
    hanging = mesh.part("valkey")
    hanging.suspend()
    try:
        stored = ask(QUESTION)
        assert "stored" in stored.headers["cache-status"]
        killed = mesh.kill("cache")
    finally:
        hanging.resume()
    mesh.wait_until_back("cache", killed=killed)
    assert eventually_hit(ask, QUESTION) == "HIT-L1"
    assert ask(QUESTION).headers["x-synapse-entry-id"] == stored.headers["x-synapse-entry-id"]


def test_meaning_is_found_again_after_the_embedder_came_back(ask: Asker, mesh: MeshProcess) -> None:
    ask(QUESTION)
    mesh.wait_until_back("embed", killed=mesh.kill("embed"))
    assert eventually_hit(ask, REWORDED) == "HIT-L2"


def test_a_dead_backend_is_an_openai_error_and_nothing_is_stored(ask: Asker) -> None:
    for _ in range(2):
        with pytest.raises(openai.InternalServerError) as caught:
            ask(QUESTION, model="dead/model")
        assert caught.value.status_code == 503
        assert isinstance(caught.value.body, dict)
        assert caught.value.body.keys() == {"message", "type", "param", "code"}
        assert int(caught.value.response.headers["retry-after"]) >= 1
    with pytest.raises(openai.InternalServerError) as caught:
        ask(QUESTION, model="dead/model", extra_headers={"cache-control": "only-if-cached"})
    assert caught.value.code == "only_if_cached_miss"


def test_hits_are_served_while_the_backend_is_down(ask: Asker, upstream: Upstream) -> None:
    ask(QUESTION)
    upstream.is_down = True
    try:
        assert [ask(prompt).status for prompt in (QUESTION, REWORDED)] == ["HIT-L1", "HIT-L2"]
        assert ask.stream(QUESTION).text == echo(QUESTION)
    finally:
        upstream.is_down = False


def test_a_model_that_nobody_serves_is_not_found(ask: Asker) -> None:
    with pytest.raises(openai.NotFoundError) as caught:
        ask(QUESTION, model="nobody/knows-it")
    assert caught.value.code == "model_not_found"
    assert caught.value.type == "invalid_request_error"


def test_an_alias_is_asked_for_under_the_backend_s_name(ask: Asker, upstream: Upstream) -> None:
    assert ask(QUESTION, model="org/alias").text == echo(QUESTION)
    assert upstream.last["model"] == "echo"
