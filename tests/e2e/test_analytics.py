"""The log of requests, savings and simulations of the running mesh, through REST and the command line."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.e2e.asking import Asker
from tests.e2e.conftest import ACME_KEY, PATIENT, VIEWER_KEY, asking, running
from tests.e2e.upstream import Upstream
from tests.support.mesh import MeshProcess, clean_environment, write_config

QUESTION = "What is the capital of France?"
REWORDED = "Can you tell me the capital of France?"
PERSONAL = "Write to jane.doe@example.org about the capital of France."


def logs(http: httpx.Client, namespace: str, **asked: Any) -> list[dict[str, Any]]:
    found = http.get("/api/v1/logs", params={"namespace": namespace, **asked}).raise_for_status().json()
    return list(found["logs"])


def savings(http: httpx.Client) -> dict[str, Any]:
    found: dict[str, Any] = http.get("/api/v1/analytics/savings").raise_for_status().json()["total"]
    return found


def test_the_log_tells_what_became_of_every_request(ask: Asker, http: httpx.Client, namespace: str) -> None:
    ids = [ask(text).headers["x-request-id"] for text in (QUESTION, QUESTION, REWORDED)]
    found = logs(http, namespace)
    assert [one["id"] for one in found] == ids[::-1]
    tiers = [one["outcome"]["tier"].removeprefix("CACHE_TIER_") for one in found]
    assert tiers == ["L2", "L1", "UNSPECIFIED"]
    assert [one["id"] for one in logs(http, namespace, tier="CACHE_TIER_L2")] == [ids[2]]
    assert [one["id"] for one in logs(http, namespace, status="CACHE_STATUS_MISS")] == [ids[0]]


def test_no_text_is_in_the_log_and_likeness_is(ask: Asker, http: httpx.Client, namespace: str) -> None:
    ask(QUESTION)
    ask("How do I bake bread at home?")
    ask(REWORDED)
    newest = logs(http, namespace)[0]
    assert "France" not in json.dumps(logs(http, namespace))
    like = http.get(f"/api/v1/logs/{newest['id']}/similar").raise_for_status().json()["logs"]
    mine = [one for one in like if one["namespace"] == namespace]
    assert len(mine) == 2
    assert mine[0]["similarity"] > mine[1]["similarity"]
    assert http.get(f"/api/v1/logs/{newest['id']}").raise_for_status().json()["log"]["id"] == newest["id"]


def test_savings_grow_by_what_hits_saved(ask: Asker, http: httpx.Client) -> None:
    before = savings(http)
    for text in (QUESTION, QUESTION, REWORDED):
        ask(text)
    after = savings(http)
    grown = {name: int(after[name]) - int(before[name]) for name in ("requests", "hits", "tokens_saved")}
    assert grown == {"requests": 3, "hits": 2, "tokens_saved": 2 * 55}


def test_a_simulation_changes_nothing(ask: Asker, http: httpx.Client, namespace: str) -> None:
    for text in (QUESTION, QUESTION, REWORDED):
        ask(text)
    body = {"namespace": namespace, "thresholds": {"cache_hit_threshold": 1.0}}
    done = http.post("/api/v1/thresholds/simulate", json=body).raise_for_status().json()
    assert (done["current"]["hits_exact"], done["current"]["hits_semantic"]) == ("1", "1")
    assert (done["simulated"]["hits_exact"], done["simulated"]["hits_semantic"]) == ("1", "0")
    assert done["caveats"]
    assert ask(REWORDED).status == "HIT-L1"


def test_a_viewer_sees_savings_and_no_log(mesh_double: MeshProcess) -> None:
    headers = {"authorization": f"Bearer {VIEWER_KEY}"}
    with httpx.Client(base_url=mesh_double.endpoint.url, headers=headers, timeout=10) as viewer:
        assert viewer.get("/api/v1/analytics/savings").status_code == 200
        assert viewer.get("/api/v1/logs").status_code == 403
        assert viewer.post("/api/v1/thresholds/simulate", json={}).status_code == 403


def test_another_tenant_sees_no_request_of_mine(ask: Asker, mesh_double: MeshProcess) -> None:
    request_id = ask(QUESTION).headers["x-request-id"]
    headers = {"authorization": f"Bearer {ACME_KEY}"}
    url = f"{mesh_double.endpoint.url}/api/v1/logs/{request_id}"
    assert httpx.get(url, headers=headers, timeout=10).status_code == 404


@pytest.fixture(scope="module")
def talkative(tmp_path_factory: pytest.TempPathFactory, upstream: Upstream) -> Iterator[MeshProcess]:
    """A mesh whose operator has the texts of prompts logged, and few of them kept."""
    folder = tmp_path_factory.mktemp("talkative")
    config = write_config(folder / "config.json", {"cache": {**PATIENT, "log": {"prompts": True, "entries": 5}}})
    with running(MeshProcess(folder / "state", "--upstream", upstream.url, "--config", str(config))) as mesh:
        yield mesh


def synapse(mesh: MeshProcess, *arguments: str) -> str:
    """What a command of `synapse` prints."""
    command = [sys.executable, "-m", "synapse_standalone", *arguments, "--state", str(mesh.state)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60, env=clean_environment())
    return done.stdout


def test_texts_are_logged_where_the_operator_wants_them_and_never_personal_ones(talkative: MeshProcess) -> None:
    with asking(talkative, "talkative") as ask:
        for text in (QUESTION, REWORDED, PERSONAL):
            ask(text)
    out = synapse(talkative, "logs", "--namespace", "talkative", "-n", "3")
    assert QUESTION in out
    assert REWORDED in out
    assert "jane.doe" not in out
    assert "HIT-L2" in out


def test_the_log_is_a_ring_and_survives_a_restart(talkative: MeshProcess) -> None:
    with asking(talkative, "ring") as ask:
        for number in range(7):
            ask(f"What is the capital of country number {number}?")
    before = json.loads(synapse(talkative, "logs", "--json"))
    assert len(before) == 5
    talkative.stop()
    talkative.start()
    assert json.loads(synapse(talkative, "logs", "--json")) == before


def test_the_command_line_tells_savings_and_simulations(talkative: MeshProcess) -> None:
    with asking(talkative, "talkative") as ask:
        ask(QUESTION)
        ask(QUESTION)
    assert "HITS" in synapse(talkative, "savings")
    assert "AS IT WOULD BE" in synapse(talkative, "simulate", "--max-error", "0.02")
