"""Feedback on answers of the running mesh."""

from __future__ import annotations

import subprocess
import sys
import time
from typing import Any

import httpx

from tests.e2e.asking import Asker
from tests.e2e.conftest import VIEWER_KEY, asking
from tests.support.mesh import MeshProcess

QUESTION = "What is the capital of France?"
REWORDED = "Can you tell me the capital of France?"
THIRD = "Please tell me what the capital of France is."
IDS = ("x-synapse-entry-id", "x-request-id")


def sent_back(reply: Any) -> dict[str, str]:
    """The headers by which a reply is named."""
    return {name: reply.headers[name] for name in IDS}


def test_a_wrong_answer_to_a_reworded_question_is_not_served_to_it_again(ask: Asker, http: httpx.Client) -> None:
    stored = ask(QUESTION).headers["x-synapse-entry-id"]
    by_meaning = ask(REWORDED)
    assert by_meaning.status == "HIT-L2"
    time.sleep(0.3)  # its alias is written behind the reply
    assert ask(REWORDED).status == "HIT-L1"
    said = http.post("/api/v1/feedback", json={"rating": "RATING_WRONG"}, headers=sent_back(by_meaning))
    assert said.raise_for_status().json() == {"effect": "split", "removed": "1"}
    assert ask(REWORDED).status == "MISS"
    again = ask(REWORDED)
    assert again.status == "HIT-L1"
    assert again.headers["x-synapse-entry-id"] != stored
    assert ask(QUESTION).headers["x-synapse-entry-id"] == stored
    assert ask(THIRD).status == "HIT-L2"


def test_a_right_answer_is_confirmed(ask: Asker, http: httpx.Client) -> None:
    ask(QUESTION)
    reply = ask(REWORDED)
    report = {"entry_id": reply.headers["x-synapse-entry-id"], "rating": "RATING_RIGHT", "prompt": REWORDED}
    assert http.post("/api/v1/feedback", json=report).raise_for_status().json()["effect"] == "confirmed"
    assert ask(REWORDED).status == "HIT-L1"


def test_a_viewer_is_heard_and_an_operator_obeyed(mesh_double: MeshProcess, namespace: str, ask: Asker) -> None:
    with asking(mesh_double, namespace, api_key=VIEWER_KEY) as viewer:
        reply = viewer(QUESTION)
        url = f"{mesh_double.endpoint.url}/api/v1/feedback"
        effects = []
        for key in (VIEWER_KEY, "acme-key"):
            headers = {"authorization": f"Bearer {key}", **sent_back(reply)}
            effects.append(httpx.post(url, json={"rating": "RATING_WRONG"}, headers=headers, timeout=10).json())
        assert [effect["effect"] for effect in effects] == ["noted", "evicted"]
        assert viewer(QUESTION).status == "MISS"


def test_what_was_denied_stays_so_after_a_restart_of_the_cache(
    ask: Asker, http: httpx.Client, mesh_double: MeshProcess
) -> None:
    ask(QUESTION)
    reply = ask(REWORDED)
    http.post("/api/v1/feedback", json={"rating": "RATING_WRONG"}, headers=sent_back(reply)).raise_for_status()
    time.sleep(0.5)  # written to the shared store
    mesh_double.wait_until_back("cache", killed=mesh_double.kill("cache"))
    assert ask(QUESTION).status == "HIT-L1"
    assert ask(REWORDED, extra_headers={"cache-control": "no-store"}).status == "MISS"


def test_the_command_line_reports(ask: Asker, mesh_double: MeshProcess) -> None:
    stored = ask(QUESTION).headers["x-synapse-entry-id"]
    command = [sys.executable, "-m", "synapse_standalone", "feedback", "--state", str(mesh_double.state)]
    done = subprocess.run(
        [*command, stored, "wrong", "--comment", "Lyon"], capture_output=True, check=False, timeout=30, text=True
    )
    assert (done.returncode, done.stdout) == (0, "evicted: the answer is gone\n")
    assert ask(QUESTION).status == "MISS"
