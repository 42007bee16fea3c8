"""Taking answers back from the running mesh, over REST and the command line."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import httpx
import pytest

from tests.e2e.asking import Asker
from tests.e2e.conftest import ACME_KEY, VIEWER_KEY, asking
from tests.support.mesh import MeshProcess, clean_environment

QUESTION = "What is the capital of France?"
REWORDED = "Can you tell me the capital of France?"
BREAD = "How long does sourdough bread take to bake?"
TAGGED = {"x-synapse-tags": "geo,europe"}


def invalidate(http: httpx.Client, **wanted: Any) -> dict[str, Any]:
    told: dict[str, Any] = http.post("/api/v1/cache:invalidate", json=wanted).raise_for_status().json()
    return told


def synapse(mesh: MeshProcess, *arguments: str) -> str:
    command = [sys.executable, "-m", "synapse_standalone", *arguments, "--state", str(mesh.state)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True, env=clean_environment())
    return done.stdout


@pytest.mark.parametrize(
    "wanted",
    [
        {"tag": "geo"},
        {"model": "echo", "tag": "europe"},
        {"olderThan": "0s"},
        {"similar_to": QUESTION, "min_similarity": 0.95},
        {},
    ],
)
def test_what_meets_the_conditions_is_gone_by_key_and_by_meaning(
    ask: Asker, http: httpx.Client, namespace: str, wanted: dict[str, Any]
) -> None:
    ask(QUESTION, extra_headers=TAGGED)
    assert ask(REWORDED).status == "HIT-L2"
    told = invalidate(http, namespace=namespace, **wanted)
    assert (int(told["removed"]), int(told["matched"])) == (1, 1)
    assert ask(REWORDED).status == "MISS"
    assert ask(QUESTION).status != "HIT-L1"


def test_what_does_not_meet_them_stays(ask: Asker, http: httpx.Client, namespace: str) -> None:
    ask(QUESTION, extra_headers=TAGGED)
    ask(BREAD)
    assert int(invalidate(http, namespace=namespace, tag="geo")["removed"]) == 1
    assert ask(BREAD).status == "HIT-L1"


def test_a_dry_run_leaves_everything(ask: Asker, http: httpx.Client, namespace: str) -> None:
    stored = ask(QUESTION, extra_headers=TAGGED).headers["x-synapse-entry-id"]
    told = invalidate(http, namespace=namespace, tag="geo", dry_run=True)
    assert (int(told["removed"]), int(told["matched"]), told["sample_ids"]) == (0, 1, [stored])
    assert ask(QUESTION).status == "HIT-L1"


def test_everything_of_a_tenant_goes_and_nothing_of_another(mesh_double: MeshProcess, ask: Asker) -> None:
    ask(QUESTION)
    headers = {"authorization": f"Bearer {ACME_KEY}"}
    spaces = ["everything.a", "everything.b"]
    for space in spaces:
        with asking(mesh_double, space, api_key=ACME_KEY) as acme:
            acme(QUESTION)
    url = f"{mesh_double.endpoint.url}/api/v1/cache:invalidate"
    assert httpx.post(url, headers=headers, json={"all": True}, timeout=30).status_code == 200
    for space in spaces:
        with asking(mesh_double, space, api_key=ACME_KEY) as acme:
            assert acme(QUESTION).status == "MISS"
    assert ask(QUESTION).status == "HIT-L1"


def test_the_trail_tells_who_what_and_why(ask: Asker, http: httpx.Client, namespace: str) -> None:
    ask(QUESTION, extra_headers=TAGGED)
    told = invalidate(http, namespace=namespace, tag="geo", reason="the border moved")
    newest = http.get("/api/v1/invalidations?page_size=1").raise_for_status().json()["invalidations"][0]
    assert newest["id"] == told["invalidation_id"]
    assert (
        newest["conditions"] | {"tag": "geo", "namespace": namespace, "reason": "the border moved"}
        == newest["conditions"]
    )
    assert (int(newest["removed"]), len(newest["entry_ids"]), bool(newest["actor"])) == (1, 1, True)


def test_a_viewer_takes_nothing_back_and_sees_no_trail(mesh_double: MeshProcess) -> None:
    with httpx.Client(base_url=mesh_double.endpoint.url, headers={"authorization": f"Bearer {VIEWER_KEY}"}) as viewer:
        assert viewer.post("/api/v1/cache:invalidate", json={"all": True}).status_code == 403
        assert viewer.get("/api/v1/invalidations").status_code == 403


def test_an_operator_takes_nothing_back_from_another_tenant(mesh_double: MeshProcess) -> None:
    with httpx.Client(base_url=mesh_double.endpoint.url, headers={"authorization": f"Bearer {ACME_KEY}"}) as operator:
        refused = operator.post("/api/v1/cache:invalidate", json={"all": True, "tenant": "default"})
        assert refused.status_code == 403


def test_the_command_line_takes_back_and_tells(ask: Asker, mesh_double: MeshProcess, namespace: str) -> None:
    ask(QUESTION, extra_headers=TAGGED)
    where = ("--namespace", namespace, "--tag", "geo")
    assert synapse(mesh_double, "invalidate", *where, "--dry-run").startswith("would remove 1 entry\n")
    assert synapse(mesh_double, "invalidate", *where, "--reason", "a test") == "removed 1 entry\n"
    assert f"namespace={namespace} tag=geo" in synapse(mesh_double, "invalidations", "-n", "3")
    assert ask(QUESTION).status == "MISS"
