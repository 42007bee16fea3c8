"""Thresholds over the admin REST API, and what they do to the requests of a running mesh."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from synapse_standalone.__main__ import main
from tests.e2e.asking import Asker
from tests.e2e.conftest import ACME_KEY, VIEWER_KEY, asking
from tests.support.mesh import MeshProcess

ALL, ACME, GLOBEX = "/api/v1/thresholds", "/api/v1/thresholds/tenants/acme", "/api/v1/thresholds/tenants/globex"
QUESTION = "What is the capital of France?"
REWORDED = "Can you tell me the capital of France?"
FIELDS = {
    "cache_hit_threshold",
    "partial_hit_threshold",
    "l1_ttl_secs",
    "l2_ttl_secs",
    "max_error",
    "shadow",
    "audit_share",
    "stale_while_revalidate_secs",
    "stale_if_error_secs",
}


def client(mesh: MeshProcess, key: str) -> httpx.Client:
    return httpx.Client(base_url=mesh.endpoint.url, headers={"authorization": f"Bearer {key}"}, timeout=30)


@pytest.fixture
def admin(http: httpx.Client) -> Iterator[httpx.Client]:
    """The admin, who leaves everything as it was."""
    yield http
    for path in (ALL, ACME, GLOBEX):
        http.delete(path).raise_for_status()


@pytest.fixture
def operator(mesh_double: MeshProcess, admin: httpx.Client) -> Iterator[httpx.Client]:
    """An operator of the tenant "acme"."""
    with client(mesh_double, ACME_KEY) as http:
        yield http


@pytest.fixture
def viewer(mesh_double: MeshProcess, admin: httpx.Client) -> Iterator[httpx.Client]:
    """A viewer of the tenant "acme"."""
    with client(mesh_double, VIEWER_KEY) as http:
        yield http


@pytest.fixture
def ask_acme(mesh_double: MeshProcess, namespace: str, admin: httpx.Client) -> Iterator[Asker]:
    """Asks as the tenant "acme"."""
    with asking(mesh_double, namespace, api_key=ACME_KEY) as asker:
        yield asker


def told(reply: httpx.Response) -> dict[str, Any]:
    found: dict[str, Any] = reply.raise_for_status().json()
    return found


def test_everything_in_force_is_told_in_proto_names(admin: httpx.Client) -> None:
    reply = told(admin.get(ALL))
    assert set(reply["effective"]) == FIELDS
    assert (reply["tenant"], reply["set"], reply["tenants"]) == ("", {}, [])


def test_both_spellings_are_accepted(admin: httpx.Client) -> None:
    values = {"cacheHitThreshold": 0.9, "partial_hit_threshold": 0.8, "l1TtlSecs": 60, "l2_ttl_secs": 120.5}
    reply = told(admin.put(GLOBEX, json=values))
    assert reply["set"] == {
        "cache_hit_threshold": 0.9,
        "partial_hit_threshold": 0.8,
        "l1_ttl_secs": 60,
        "l2_ttl_secs": 120.5,
    }
    assert told(admin.get(GLOBEX))["set"] == reply["set"]
    assert told(admin.get(ALL))["tenants"] == ["globex"]


def test_levels_lie_over_each_other(admin: httpx.Client) -> None:
    admin.put(ALL, json={"maxError": 0.005, "auditShare": 0.1}).raise_for_status()
    effective = told(admin.put(GLOBEX, json={"maxError": 0.02}))["effective"]
    assert (effective["max_error"], effective["audit_share"]) == (0.02, 0.1)


def test_put_replaces_patch_changes_and_delete_takes_back(admin: httpx.Client) -> None:
    admin.put(GLOBEX, json={"shadow": True, "l1_ttl_secs": 60, "audit_share": 1}).raise_for_status()
    assert told(admin.patch(GLOBEX, json={"l1TtlSecs": 30, "auditShare": None}))["set"] == {
        "shadow": True,
        "l1_ttl_secs": 30,
    }
    assert told(admin.put(GLOBEX, json={"l1_ttl_secs": 20}))["set"] == {"l1_ttl_secs": 20}
    assert told(admin.delete(GLOBEX))["effective"] == told(admin.get(ALL))["effective"]
    assert told(admin.get(GLOBEX))["set"] == {}


@pytest.mark.parametrize(
    ("body", "named"),
    [
        ({"maxError": 1.5}, "max_error"),
        ({"cache_hit_threshold": "NaN"}, "cache_hit_threshold"),
        ({"cacheHitThreshold": 0.5, "partialHitThreshold": 0.6}, "partial_hit_threshold"),
        ({"l1TtlSecs": 0}, "l1_ttl_secs"),
        ({"l2TtlSecs": "soon"}, "l2TtlSecs"),
        ({"maxErrors": 0.5}, "maxErrors"),
        ([], "body"),
        (None, "thresholds"),
    ],
)
@pytest.mark.parametrize("verb", ["PUT", "PATCH"])
def test_what_cannot_be_is_refused_by_name(admin: httpx.Client, verb: str, body: object, named: str) -> None:
    refused = admin.request(verb, GLOBEX, json=body)
    assert refused.status_code == 400
    assert named in refused.json()["error"]["message"]
    assert told(admin.get(GLOBEX))["set"] == {}


def test_a_patch_of_nothing_is_refused(admin: httpx.Client) -> None:
    assert admin.patch(GLOBEX, json={}).status_code == 400


def test_a_viewer_reads_what_holds_for_its_tenant_and_sets_nothing(viewer: httpx.Client) -> None:
    assert set(told(viewer.get(ACME))["effective"]) == FIELDS
    assert viewer.get(GLOBEX).status_code == 403
    for verb, path in (("PUT", ACME), ("PATCH", ACME), ("DELETE", ACME), ("PUT", ALL)):
        assert viewer.request(verb, path, json={"shadow": True} if verb != "DELETE" else None).status_code == 403


def test_an_operator_sets_its_own_tenant_and_only_tightens_the_error(operator: httpx.Client) -> None:
    assert told(operator.put(ACME, json={"maxError": 0.002}))["effective"]["max_error"] == 0.002
    refused = operator.patch(ACME, json={"maxError": 0.5})
    assert refused.status_code == 403
    assert "max_error" in refused.json()["error"]["message"]
    for path in (ALL, GLOBEX):
        assert operator.put(path, json={"shadow": True}).status_code == 403
        assert operator.delete(path).status_code == 403


def test_a_bar_of_one_means_exact_only(ask_acme: Asker, operator: httpx.Client) -> None:
    ask_acme(QUESTION)
    operator.put(ACME, json={"cacheHitThreshold": 1.0}).raise_for_status()
    assert ask_acme(REWORDED).status == "MISS"
    assert ask_acme(QUESTION).status == "HIT-L1"


def test_shadow_decides_and_lets_the_backend_answer(ask_acme: Asker, operator: httpx.Client) -> None:
    ask_acme(QUESTION)
    operator.put(ACME, json={"shadow": True}).raise_for_status()
    shadowed = ask_acme(REWORDED)
    assert (shadowed.status, shadowed.headers["x-synapse-reason"]) == ("MISS", "shadow")
    assert ask_acme(REWORDED).status == "HIT-L1"
    assert ask_acme(QUESTION).status == "HIT-L1"


def test_a_shortened_lifetime_holds_for_what_is_stored_already(ask_acme: Asker, operator: httpx.Client) -> None:
    ask_acme(QUESTION)
    operator.put(ACME, json={"l1TtlSecs": 0.001, "l2TtlSecs": 0.001}).raise_for_status()
    assert ask_acme(QUESTION).status == "MISS"
    operator.delete(ACME).raise_for_status()


def test_the_command_line_shows_sets_and_resets(
    mesh_double: MeshProcess, admin: httpx.Client, capsys: pytest.CaptureFixture[str]
) -> None:
    def synapse(*arguments: str) -> str:
        assert main(["thresholds", *arguments, "--tenant", "globex", "--state", str(mesh_double.state)]) == 0
        return capsys.readouterr().out

    assert "SET FOR tenant globex" in synapse()
    synapse("set", "--max-error", "0.002", "--shadow", "on", "--l2-ttl", "60")
    assert told(admin.get(GLOBEX))["set"] == {"max_error": 0.002, "shadow": True, "l2_ttl_secs": 60}
    synapse("set", "--shadow", "default")
    assert json.loads(synapse("--json"))["set"] == {"max_error": 0.002, "l2_ttl_secs": 60}
    synapse("reset")
    assert told(admin.get(GLOBEX))["set"] == {}


def test_the_thresholds_of_one_tenant_leave_another_alone(ask: Asker, operator: httpx.Client) -> None:
    operator.put(ACME, json={"cacheHitThreshold": 1.0}).raise_for_status()
    ask(QUESTION)
    assert ask(REWORDED).status == "HIT-L2"
