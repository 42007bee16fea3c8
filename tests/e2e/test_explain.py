"""What a running mesh says that it would do is what it does then, and saying it leaves no trace."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import httpx
import pytest

from tests.e2e.asking import Asker
from tests.e2e.conftest import ACME_KEY, VIEWER_KEY, asking
from tests.support.mesh import MeshProcess

QUESTION = "How do I cook 5 eggs?"
REWORDED = "Can you tell me how to cook 5 eggs?"
OTHER = "How do I cook 7 eggs?"


def body(namespace: str, prompt: str, **more: Any) -> dict[str, Any]:
    request = {"model": "echo", "messages": [{"role": "user", "text": prompt}]}
    return {"request": request, "control": {"namespace": namespace}, **more}


def explained(http: httpx.Client, namespace: str, prompt: str, path: str = "/api/v1/cache:explain") -> Any:
    return http.post(path, json=body(namespace, prompt)).raise_for_status().json()["explanation"]


@pytest.fixture
def synapse(mesh_double: MeshProcess, namespace: str) -> Any:
    """Runs `synapse explain` in the test's namespace; what it prints."""

    def run(*arguments: str) -> str:
        command = [sys.executable, "-m", "synapse_standalone", "explain", "--model", "echo", "--namespace", namespace]
        done = subprocess.run(
            [*command, *arguments, "--state", str(mesh_double.state)],
            capture_output=True,
            check=False,
            timeout=60,
            text=True,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run


@pytest.mark.parametrize("path", ["/api/v1/cache:explain", "/api/v1/playground/preview"])
def test_a_rewording_would_hit_and_does(ask: Asker, http: httpx.Client, namespace: str, path: str) -> None:
    ask(QUESTION)
    told = explained(http, namespace, REWORDED, path)
    reply = ask(REWORDED)
    assert (told["outcome"]["tier"], reply.status) == ("CACHE_TIER_L2", "HIT-L2")
    assert told["outcome"]["reason"] == reply.headers["x-synapse-reason"]
    assert told["outcome"]["entry_id"] == reply.headers["x-synapse-entry-id"]
    assert f"{told['outcome']['probability']:.4f}" == reply.headers["x-synapse-probability"]
    assert told["candidates"][0]["prompt"] == told["entry_prompt"] == QUESTION


def test_another_number_would_miss_and_does(ask: Asker, http: httpx.Client, namespace: str) -> None:
    ask(QUESTION)
    told = explained(http, namespace, OTHER)
    assert told["summary"] == "would miss: the nearest stored question differs in a number (7 against 5)"
    reply = ask(OTHER)
    assert (reply.status, reply.headers["x-synapse-reason"]) == ("MISS", told["outcome"]["reason"])


def test_the_question_itself_is_found_by_the_key_of_the_openai_request(
    ask: Asker, http: httpx.Client, namespace: str
) -> None:
    entry = ask(QUESTION).headers["x-synapse-entry-id"]
    outcome = explained(http, namespace, QUESTION)["outcome"]
    assert (outcome["reason"], outcome["entry_id"]) == ("exact", entry)


def test_nothing_is_counted_stored_or_asked(ask: Asker, http: httpx.Client, namespace: str, synapse: Any) -> None:
    ask(QUESTION)

    def counted() -> tuple[Any, ...]:
        stats = http.get("/api/v1/stats").raise_for_status().json()
        logs = http.get("/api/v1/logs", params={"namespace": namespace}).raise_for_status().json()
        return *(stats[name] for name in ("requests", "hits", "misses", "stores", "tokens_saved")), len(logs["logs"])

    before = counted()
    for prompt in (QUESTION, REWORDED, OTHER, "Who wrote Faust?"):
        explained(http, namespace, prompt)
    synapse(QUESTION, "--variations")
    assert counted() == before
    assert ask("Who wrote Faust?").status == "MISS"


def test_a_viewer_is_told_figures_and_no_texts(mesh_double: MeshProcess, namespace: str) -> None:
    with asking(mesh_double, namespace, api_key=ACME_KEY) as ask:
        ask(QUESTION)
    headers = {"authorization": f"Bearer {VIEWER_KEY}"}
    with httpx.Client(base_url=mesh_double.endpoint.url, headers=headers, timeout=60) as viewer:
        for prompt in (REWORDED, OTHER):
            told = explained(viewer, namespace, prompt, "/api/v1/playground/preview")
            assert [(one["similarity"] > 0.7, one["prompt"]) for one in told["candidates"]] == [(True, "")]
            assert "5 eggs" not in json.dumps(told)
        made = viewer.post("/api/v1/playground/variations", json=body(namespace, OTHER, variations=[REWORDED]))
        (variation,) = made.raise_for_status().json()["variations"]
        assert (variation["against_original"]["prompt"], variation["explanation"]["entry_prompt"]) == (OTHER, "")


def test_simulations_are_still_for_those_who_run_the_cache(mesh_double: MeshProcess) -> None:
    def status(key: str) -> int:
        headers = {"authorization": f"Bearer {key}"}
        url = f"{mesh_double.endpoint.url}/api/v1/thresholds/simulate"
        return httpx.post(url, json={"thresholds": {}}, headers=headers, timeout=30).status_code

    assert (status(VIEWER_KEY), status(ACME_KEY)) == (403, 200)


def test_the_wordings_made_by_rule_fare_as_they_should(ask: Asker, http: httpx.Client, namespace: str) -> None:
    ask(QUESTION)
    found = http.post("/api/v1/playground/variations", json=body(namespace, QUESTION)).raise_for_status().json()
    for one in found["variations"]:
        refused = bool(one["against_original"]["veto"] or one["against_original"]["reason"])
        assert refused is not one["same"], one["text"]
        would_hit = one["explanation"]["outcome"]["status"] == "CACHE_STATUS_HIT"
        assert would_hit is one["same"], one["text"]
    assert {one["edit"] for one in found["variations"]} > {"punctuation", "politeness", "how_to", "number"}


def test_the_command_line_says_it_in_words(ask: Asker, synapse: Any) -> None:
    ask(QUESTION)
    assert synapse(REWORDED).startswith("would hit: a stored question says the same")
    shown = synapse(OTHER)
    assert shown.startswith("would miss: the nearest stored question differs in a number (7 against 5)\n")
    assert "veto: number" in shown
    assert "needed now  right with " in shown
    assert "\x1b" not in shown


def test_the_command_line_shows_other_wordings_and_json(ask: Asker, synapse: Any) -> None:
    ask(QUESTION)
    shown = synapse(QUESTION, "--variations")
    assert "\n0 of " in shown
    assert "wordings that ask otherwise would get your answer" in shown
    assert json.loads(synapse(REWORDED, "--json"))["explanation"]["outcome"]["reason"] == "semantic"
    assert synapse(QUESTION, "--system", "Be brief.").startswith("would miss: no similar question is stored")
