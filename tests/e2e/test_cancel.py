"""A caller who leaves: the backend is told, unless others wait for the same answer."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

import httpx
import openai
import pytest

from tests.e2e.asking import Asker, Streamed
from tests.e2e.upstream import SLOW_WORDS, Upstream, prompt_of
from tests.support.mesh import MeshProcess

WHOLE = " ".join(f"w{number}" for number in range(SLOW_WORDS))


def until(condition: Callable[[], bool], seconds: float = 3.0) -> bool:
    """Whether `condition` comes true in time."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def has_left(upstream: Upstream, prompt: str) -> Callable[[], bool]:
    """Whether the backend saw the caller of `prompt` leave."""
    return lambda: any(prompt_of(request.body) == prompt for request in upstream.left)


def leave_early(asker: Asker, prompt: str) -> None:
    """Read the first pieces of a stream, then close it."""
    messages: Any = [{"role": "user", "content": prompt}]
    with asker.client.chat.completions.create(model="slow", messages=messages, stream=True) as stream:
        for _, chunk in zip(range(3), stream, strict=False):
            assert chunk.choices


def test_leaving_a_stream_ends_the_backend_s_work(ask: Asker, upstream: Upstream, namespace: str) -> None:
    prompt = f"Leave a stream of {namespace}."
    leave_early(ask, prompt)
    assert until(has_left(upstream, prompt))


def test_an_abandoned_answer_is_not_stored(ask: Asker, upstream: Upstream, namespace: str) -> None:
    prompt = f"Abandon {namespace}."
    leave_early(ask, prompt)
    assert until(has_left(upstream, prompt))
    with pytest.raises(openai.InternalServerError):
        ask(prompt, model="slow", extra_headers={"cache-control": "only-if-cached"})


def test_leaving_a_plain_request_ends_the_backend_s_work(
    mesh_double: MeshProcess, upstream: Upstream, namespace: str
) -> None:
    prompt = f"Leave a plain one of {namespace}."
    body = {"model": "slow", "messages": [{"role": "user", "content": prompt}]}
    headers = {"authorization": f"Bearer {mesh_double.endpoint.key}"}
    with pytest.raises(httpx.ReadTimeout):
        httpx.post(f"{mesh_double.base_url}/chat/completions", json=body, headers=headers, timeout=0.2)
    assert until(has_left(upstream, prompt))


def test_a_leader_who_leaves_does_not_harm_its_followers(ask: Asker, upstream: Upstream, namespace: str) -> None:
    prompt, before, followed = f"Share {namespace}.", upstream.asked, []
    follower = threading.Thread(target=lambda: followed.append(ask.stream(prompt, model="slow")))
    messages: Any = [{"role": "user", "content": prompt}]
    with ask.client.chat.completions.create(model="slow", messages=messages, stream=True) as leader:
        next(iter(leader))
        follower.start()
        time.sleep(0.3)
    follower.join(30)
    assert [reply.text for reply in followed] == [WHOLE]
    assert followed[0].headers["cache-status"] == "synapse; fwd=miss; collapsed"
    assert upstream.asked == before + 1
    assert not has_left(upstream, prompt)()
    assert ask(prompt, model="slow").status == "HIT-L1"


def test_equal_questions_at_once_share_one_call(ask: Asker, upstream: Upstream, namespace: str) -> None:
    prompt, before, replies = f"All at once in {namespace}.", upstream.asked, list[Any]()
    threads = [threading.Thread(target=lambda: replies.append(ask(prompt, model="slow"))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert {reply.text for reply in replies} == {WHOLE}
    assert upstream.asked == before + 1
    told = sorted(reply.headers.get("x-coalesced", "") for reply in replies)
    assert told == ["original", *["piggybacked"] * 7]


def test_streams_at_once_share_one_call(ask: Asker, upstream: Upstream, namespace: str) -> None:
    prompt, before, replies = f"All streams in {namespace}.", upstream.asked, list[Streamed]()
    threads = [threading.Thread(target=lambda: replies.append(ask.stream(prompt, model="rich/text"))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert len({reply.text for reply in replies}) == 1
    assert len(replies) == 8
    assert upstream.asked == before + 1
