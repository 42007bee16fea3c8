"""What the running mesh keeps apart: private prompts, end users, answers of the day, and what others asked."""

from __future__ import annotations

import httpx
import pytest

from tests.e2e.asking import Asker, Reply
from tests.e2e.conftest import ACME_KEY, VIEWER_KEY, asking
from tests.support.mesh import MeshProcess

BALANCE = "What is my balance?"


def reasons(*replies: Reply) -> list[tuple[str, str]]:
    return [(reply.status, reply.headers["x-synapse-reason"]) for reply in replies]


def test_a_prompt_with_an_identifier_is_reused_word_for_word_only(ask: Asker) -> None:
    first = ask("What is the status of order number 48213?")
    reworded = ask("What's the status of order number 48213?")
    again = ask("What is the status of order number 48213?")
    assert reasons(first, reworded, again) == [
        ("MISS", "personal_data"),
        ("MISS", "personal_data"),
        ("HIT-L1", "exact"),
    ]


@pytest.mark.parametrize("named", [{"user": "{}"}, {"safety_identifier": "{}"}, {"metadata": {"user_id": "{}"}}])
def test_users_do_not_share_answers_about_their_own_affairs(ask: Asker, named: dict[str, object]) -> None:
    def as_user(name: str) -> Reply:
        said = {"user_id": name} if "metadata" in named else name
        return ask(BALANCE, **dict.fromkeys(named, said))

    statuses = [as_user(name).status for name in ("ann", "bob", "ann")]
    assert statuses == ["MISS", "MISS", "HIT-L1"]


def test_users_share_what_is_everybodys(ask: Asker) -> None:
    assert [ask("How do I check my balance?", user=name).status for name in ("ann", "bob")] == ["MISS", "HIT-L1"]


def test_an_answer_about_this_minute_is_not_kept(ask: Asker) -> None:
    assert reasons(ask("What time is it?"), ask("What time is it?")) == [("MISS", "live")] * 2


def test_an_answer_about_the_weather_is_not_kept_for_long(ask: Asker) -> None:
    ask("What's the weather in Paris?")
    hit = ask("What's the weather in Paris?")
    ttl = int(hit.headers["cache-status"].split("ttl=")[1].split(";")[0])
    assert (hit.status, 0 < ttl <= 900) == ("HIT-L1", True)


def test_a_viewer_sees_no_prompt_of_others(mesh_double: MeshProcess, namespace: str) -> None:
    with asking(mesh_double, namespace, api_key=ACME_KEY) as ask:
        entry_id = ask("What is the capital of Norway?").headers["x-synapse-entry-id"]
    shown = []
    for key in (ACME_KEY, VIEWER_KEY):
        headers = {"authorization": f"Bearer {key}"}
        reply = httpx.get(f"{mesh_double.endpoint.url}/api/v1/cache/{entry_id}", headers=headers, timeout=30)
        shown.append(reply.raise_for_status().json()["entry"].get("prompt", ""))
    assert shown == ["What is the capital of Norway?", ""]
