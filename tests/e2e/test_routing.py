"""Several backends behind one mesh: who takes over, what a backend that loads its model means, a new configuration."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.e2e.conftest import PATIENT, running
from tests.e2e.doubles import in_thread
from tests.e2e.failures import Failure, outcome
from tests.e2e.questions import Told, question
from tests.e2e.speakers import FORMS, PROTOCOLS, Speaker, speakers
from tests.e2e.test_cancel import until
from tests.support.http_double import Behaviour
from tests.support.mesh import MeshProcess, write_config
from tests.support.openai_upstream import WORDS, OpenAIDouble, openai_double

HELLO = question("How do you do?")
TEXT = "".join(WORDS)
TOO_LONG = {"error": {"message": "Too long.", "type": "t", "param": None, "code": "context_length_exceeded"}}
NAMES = ("main", "spare", "loader")


def router_of(doubles: Mapping[str, OpenAIDouble]) -> dict[str, Any]:
    """Settings of the router; the model that answers is called after its backend."""
    lists = {
        "main": ["shared=main", "careful=main", "lonely=main"],
        "spare": ["shared=spare", "other=spare"],
        "loader": ["big=loader"],
    }
    backends = [{"name": name, "endpoint": doubles[name].url, "models": lists[name]} for name in NAMES]
    backends[2]["health"] = {"interval_seconds": 0.2}
    fallback = {"on": ["unavailable", "context_window"], "model": "other"}
    return {
        "backends": backends,
        "routes": [{"model": "careful", "fallbacks": [fallback]}],
        "retries": {"max_retries": 0},
        "breaker": {"consecutive_failures": 0, "min_requests": 0},
        "reload_seconds": 0,
    }


@pytest.fixture(scope="module")
def doubles() -> Iterator[dict[str, OpenAIDouble]]:
    with ExitStack() as stack:
        yield {name: stack.enter_context(in_thread(openai_double)) for name in NAMES}


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory, doubles: dict[str, OpenAIDouble]) -> Path:
    sections = {"router": router_of(doubles), "cache": PATIENT}
    return write_config(tmp_path_factory.mktemp("routing") / "config.json", sections)


@pytest.fixture(scope="module")
def mesh(config: Path) -> Iterator[MeshProcess]:
    with running(MeshProcess(config.parent / "state", "--config", str(config))) as mesh:
        yield mesh


@pytest.fixture
def known(mesh: MeshProcess, namespace: str, doubles: dict[str, OpenAIDouble]) -> Iterator[dict[str, Speaker]]:
    with speakers(mesh, namespace) as known:
        yield known
    for double in doubles.values():
        double.behaviour = Behaviour()


@pytest.fixture
def admin(mesh: MeshProcess) -> Iterator[httpx.Client]:
    headers = {"authorization": f"Bearer {mesh.endpoint.key}"}
    with httpx.Client(base_url=mesh.endpoint.url, headers=headers, timeout=30) as client:
        yield client


in_each_protocol = pytest.mark.parametrize("protocol", PROTOCOLS)
in_each_form = pytest.mark.parametrize("form", FORMS)


def states(admin: httpx.Client) -> dict[str, str]:
    """What each backend is up to; nothing while nobody tells."""
    reply = admin.get("/api/v1/backends")
    return {backend["name"]: backend["state"] for backend in reply.json().get("backends", ())}


def answered_by(told: Told | Failure) -> str:
    """The model that answered."""
    assert isinstance(told, Told), told
    assert told.text == TEXT
    raw = told.raw[0] if isinstance(told.raw, list) else told.raw.to_dict()
    return str(raw["model"])


@in_each_form
@in_each_protocol
def test_another_backend_of_the_model_takes_over_and_its_answer_is_kept(
    known: dict[str, Speaker], doubles: dict[str, OpenAIDouble], protocol: str, form: str
) -> None:
    doubles["main"].behaviour.status = 500
    told = [outcome(known[protocol], form, "shared", HELLO) for _ in range(2)]
    assert [answered_by(one) for one in told] == ["spare", "spare"]
    assert [one.headers["x-synapse-cache-status"] for one in told] == ["MISS", "HIT-L1"]


@in_each_form
@pytest.mark.parametrize(("status", "body"), [(503, b"{}"), (400, json.dumps(TOO_LONG).encode())])
def test_another_model_takes_over_for_the_failures_that_it_is_for(
    known: dict[str, Speaker], doubles: dict[str, OpenAIDouble], status: int, body: bytes, form: str
) -> None:
    doubles["main"].behaviour.status, doubles["main"].behaviour.body = status, body
    assert answered_by(outcome(known["chat"], form, "careful", HELLO)) == "spare"


@in_each_form
def test_another_failure_is_told(known: dict[str, Speaker], doubles: dict[str, OpenAIDouble], form: str) -> None:
    doubles["main"].behaviour.status = 422
    doubles["main"].behaviour.body = b'{"error": {"message": "No.", "type": "t", "param": null, "code": null}}'
    before = len(doubles["spare"].requests)
    failed = outcome(known["chat"], form, "careful", HELLO)
    assert isinstance(failed, Failure)
    assert (failed.status, len(doubles["spare"].requests)) == (422, before)


@in_each_protocol
def test_nobody_takes_over_after_the_first_piece(
    known: dict[str, Speaker], doubles: dict[str, OpenAIDouble], protocol: str
) -> None:
    doubles["main"].behaviour.cut_after = 3
    before = len(doubles["spare"].requests)
    failed = outcome(known[protocol], "streamed", "shared", HELLO)
    assert isinstance(failed, Failure)
    assert failed.is_late
    assert len(doubles["spare"].requests) == before


def test_a_backend_that_loads_its_model_is_waited_for_while_hits_are_served(
    known: dict[str, Speaker], mesh: MeshProcess, admin: httpx.Client, doubles: dict[str, OpenAIDouble]
) -> None:
    assert outcome(known["chat"], "plain", "big", HELLO).headers["x-synapse-cache-status"] == "MISS"
    doubles["loader"].behaviour.hang_up = True
    mesh.wait_until_back("llm-router", killed=mesh.kill("llm-router"))
    assert until(lambda: states(admin).get("loader") == "BACKEND_STATE_STARTING", seconds=10)
    assert until(lambda: _is_loading(outcome(known["chat"], "plain", "big", question("Back?"))), seconds=5)
    for protocol in PROTOCOLS:
        kept = outcome(known[protocol], "streamed", "big", HELLO)
        assert isinstance(kept, Told)
        assert kept.status == "HIT-L1"
        missed = outcome(known[protocol], "plain", "big", question("Something new?"))
        assert isinstance(missed, Failure)
        assert (missed.status, missed.headers["retry-after"]) == (503, "10")
        assert "loading" in missed.message
    doubles["loader"].behaviour.hang_up = False
    assert until(lambda: isinstance(outcome(known["chat"], "plain", "big", question("New?")), Told), seconds=5)


def _is_loading(told: Told | Failure) -> bool:
    """Whether the restarted router was reached, and says that its backend is loading."""
    return isinstance(told, Failure) and "loading" in told.message


def test_a_new_configuration_is_used_and_what_is_under_way_ends_on_the_old(
    known: dict[str, Speaker],
    admin: httpx.Client,
    config: Path,
    doubles: dict[str, OpenAIDouble],
    mesh: MeshProcess,
) -> None:
    old = json.loads(config.read_text())
    doubles["main"].behaviour.event_delay_seconds = 0.15
    ended: list[Told | Failure] = []
    begun = len(doubles["main"].requests)
    under_way = threading.Thread(target=lambda: ended.append(outcome(known["chat"], "streamed", "lonely", HELLO)))
    under_way.start()
    assert until(lambda: len(doubles["main"].requests) > begun)
    new = {**old, "router": {**old["router"], "backends": old["router"]["backends"][1:], "routes": []}}
    new["router"]["backends"][0] = {**new["router"]["backends"][0], "models": ["fresh=spare"]}
    try:
        write_config(config, new)
        brought = admin.post("/admin/config/reload", json={}).raise_for_status().json()
        assert brought["changed"] is True
        assert (brought["removed_backends"], brought["changed_backends"]) == (["main"], ["spare"])
        assert answered_by(outcome(known["chat"], "plain", "fresh", HELLO)) == "spare"
        gone = outcome(known["chat"], "plain", "lonely", question("And now?"))
        assert isinstance(gone, Failure)
        assert gone.status == 404
        under_way.join(20)
        assert [answered_by(one) for one in ended] == ["main"]
    finally:
        write_config(config, old)
        admin.post("/admin/config/reload", json={}).raise_for_status()
    assert set(states(admin)) == set(NAMES)
    doubles["main"].behaviour = Behaviour()
    assert answered_by(outcome(known["chat"], "plain", "lonely", question("And again?"))) == "main"


@pytest.mark.parametrize("router", [{"backends": "none"}, {"backends": [], "strategy": "guess"}])
def test_a_bad_configuration_is_refused_and_the_old_one_stays(
    known: dict[str, Speaker], admin: httpx.Client, config: Path, router: dict[str, Any]
) -> None:
    old = json.loads(config.read_text())
    try:
        write_config(config, {**old, "router": router})
        refused = admin.post("/admin/config/reload", json={})
        assert refused.status_code == 400
        assert "router" in refused.json()["error"]["message"]
        assert answered_by(outcome(known["chat"], "plain", "lonely", HELLO)) == "main"
        assert "router" in admin.get("/admin/config").json()["rejected"]
    finally:
        write_config(config, old)
        admin.post("/admin/config/reload", json={}).raise_for_status()


def test_only_an_administrator_reloads(mesh: MeshProcess) -> None:
    reply = httpx.post(f"{mesh.endpoint.url}/admin/config/reload", json={}, headers={"authorization": "Bearer wrong"})
    assert reply.status_code == 401
