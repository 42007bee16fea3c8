"""What callers hear while something behind Envoy is away: UNAVAILABLE at once, in words, and nothing that hangs."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from typing import Any

import grpc
import httpx
import pytest

from tests.envoy.clients import GENERATE, STREAM, GrpcClient
from tests.envoy.conftest import ACME_KEY
from tests.support.envoy_server import Envoy, laid_over, running_envoy
from tests.support.mesh import free_port

AWAY = "Keys cannot be checked at the moment. Try again."
QUICK_SECONDS = 3.0
each_path = pytest.mark.parametrize("path", [GENERATE, STREAM])


@pytest.fixture(scope="module")
def unchecked(tmp_path_factory: pytest.TempPathFactory, services: Mapping[str, Any]) -> Iterator[Envoy]:
    """An Envoy whose gateway is away."""
    with running_envoy(tmp_path_factory.mktemp("unchecked"), without(services, "check")) as running:
        yield running


@pytest.fixture(scope="module")
def cacheless(tmp_path_factory: pytest.TempPathFactory, services: Mapping[str, Any]) -> Iterator[Envoy]:
    """An Envoy whose cache is away."""
    with running_envoy(tmp_path_factory.mktemp("cacheless"), without(services, "cache")) as running:
        yield running


def without(services: Mapping[str, Any], name: str) -> dict[str, Any]:
    return {"services": laid_over(services, {name: {"port": free_port()}})}


def test_without_the_gateway_nobody_comes_in_by_grpc(unchecked: Envoy, namespace: str) -> None:
    began = time.monotonic()
    with GrpcClient(unchecked.address, ACME_KEY, namespace) as client, pytest.raises(grpc.RpcError) as caught:
        client.generate()
    failed: Any = caught.value
    assert (failed.code(), failed.details()) == (grpc.StatusCode.UNAVAILABLE, AWAY)
    assert time.monotonic() - began < QUICK_SECONDS


@each_path
def test_without_the_gateway_nobody_comes_in_by_rest(unchecked: Envoy, asked: dict[str, Any], path: str) -> None:
    headers = {"authorization": f"Bearer {ACME_KEY}"}
    reply = httpx.post(f"{unchecked.url}{path}", json=asked, headers=headers, timeout=10)
    assert (reply.status_code, reply.json()["code"], reply.json()["message"]) == (503, 14, AWAY)


def test_without_a_cache_grpc_is_unavailable(cacheless: Envoy, namespace: str) -> None:
    began = time.monotonic()
    with GrpcClient(cacheless.address, ACME_KEY, namespace) as client, pytest.raises(grpc.RpcError) as caught:
        client.generate()
    assert caught.value.code() == grpc.StatusCode.UNAVAILABLE
    assert time.monotonic() - began < QUICK_SECONDS


@each_path
def test_without_a_cache_rest_is_503(cacheless: Envoy, asked: dict[str, Any], path: str) -> None:
    headers = {"authorization": f"Bearer {ACME_KEY}"}
    reply = httpx.post(f"{cacheless.url}{path}", json=asked, headers=headers, timeout=10)
    assert reply.status_code == 503
    assert reply.headers["content-type"] == "application/json"
    assert (reply.json()["code"], bool(reply.json()["message"])) == (14, True)


def test_the_other_services_are_served_without_a_cache(cacheless: Envoy) -> None:
    headers = {"authorization": f"Bearer {ACME_KEY}"}
    reply = httpx.post(f"{cacheless.url}/api/v1/embed", json={"inputs": ["tea"]}, headers=headers, timeout=20)
    assert reply.status_code == 200
