"""The chart, installed: what the guide lets a user do first."""

from __future__ import annotations

import json
import logging
import time

import httpx

from tests.cluster.release import LLM_MODEL, Release
from tests.support.cluster.environment import quantity
from tests.support.cluster.manifests import Object

_log = logging.getLogger(__name__)


def test_a_repeated_question_is_answered_from_the_cache(release: Release, namespace: str) -> None:
    sdk = release.sdk(namespace).chat.completions.with_raw_response
    answers = [sdk.create(model="echo", messages=[{"role": "user", "content": "What is tea?"}]) for _ in range(2)]
    statuses = [answer.headers["x-synapse-cache-status"] for answer in answers]
    assert statuses[0] == "MISS"
    assert statuses[1].startswith("HIT")
    assert {answer.parse().choices[0].message.content for answer in answers} == {"You said: What is tea?"}


def test_the_vllm_of_the_values_answers_with_a_real_model(release: Release, namespace: str) -> None:
    done = release.sdk(namespace).chat.completions.create(
        model=LLM_MODEL, messages=[{"role": "user", "content": "Say hello."}], max_tokens=8
    )
    assert done.choices[0].message.content
    assert done.usage is not None
    assert done.usage.completion_tokens > 0


def test_a_question_in_other_words_is_found_by_its_vector(release: Release, namespace: str) -> None:
    release.ask("How do I make a good cup of green tea?", namespace)
    deadline = time.monotonic() + 20  # another replica finds it as soon as Milvus does
    reply = release.ask("How do I make a good cup of green tea", namespace, only_if_cached=True)
    while reply.status_code == 504 and time.monotonic() < deadline:
        reply = release.ask("How do I make a good cup of green tea", namespace, only_if_cached=True)
    assert reply.headers["x-synapse-cache-tier"] == "L2", dict(reply.headers)


def test_a_wrong_key_is_refused(release: Release) -> None:
    reply = httpx.get(f"{release.url}/v1/models", headers={"authorization": "Bearer sk-wrong"}, timeout=10)
    assert reply.status_code == 401


def test_health_readiness_and_statistics_answer_as_the_guide_says(release: Release) -> None:
    assert httpx.get(f"{release.url}/health", timeout=10).status_code == 200
    assert httpx.get(f"{release.url}/ready", timeout=10).status_code == 200
    stats = httpx.get(f"{release.url}/api/v1/stats", headers=release.headers, timeout=10).json()
    assert isinstance(stats["cache_hit_rate"], float | int)
    embeddings = release.cluster.forward("svc/synapse-embeddings", 8080)
    assert httpx.get(f"http://{embeddings}/health", timeout=10).status_code == 200


def test_redis_answers_a_ping_from_inside_the_gateway(release: Release) -> None:
    done = release.cluster.exec("deploy/synapse-gateway", ["sh", "-c", "redis-cli -u $REDIS_URL ping"])
    assert (done.status, done.output.strip()) == (0, "PONG")


def test_the_log_of_the_proxy_names_milvus(release: Release) -> None:
    lines = release.cluster.logs("app.kubernetes.io/component=proxy").splitlines()
    told = [json.loads(line) for line in lines if "milvus" in line]
    assert any(line["message"] == "ready" for line in told)


def test_the_test_of_the_release_passes(release: Release) -> None:
    release.cluster.run_tests(release.manifests)


def test_nothing_was_started_twice(release: Release) -> None:
    runs = {pod["name"]: one["restarts"] for pod in release.cluster.pods() for one in pod["containers"]}
    assert not any(runs.values()), runs


def test_every_pod_fits_into_the_memory_it_asks_for(release: Release) -> None:
    selector, found = "app.kubernetes.io/instance=synapse", {}
    held = release.cluster.memory(selector)
    for pod in release.cluster.pods(selector):
        kind, name = pod["owner"].split("/")
        for spec in _containers(release, kind, name):
            run = f"{pod['name']}/{spec['name']}"
            found[run] = (held.get(run, 0), quantity(spec["resources"]["requests"]["memory"]))
            _log.info("%s holds %.0f of %.0f MiB", run, *(size / 2**20 for size in found[run]))
    assert not {run: sizes for run, sizes in found.items() if sizes[0] > sizes[1]}
    assert len(found) >= 9


def _containers(release: Release, kind: str, name: str) -> list[Object]:
    wanted = release.object(kind, name)
    spec = wanted["spec"] if kind == "Pod" else wanted["spec"]["template"]["spec"]
    return list(spec["containers"])
