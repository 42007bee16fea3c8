"""Envoy before services that want certificates: it proves itself, and wants theirs to carry the name that it asked for."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import grpc
import httpx
import pytest
import trustme

from tests.e2e.conftest import PATIENT, running
from tests.e2e.upstream import Upstream, echo
from tests.envoy.clients import GENERATE, QUESTION, GrpcClient, question
from tests.envoy.conftest import ACME_KEY, KEYS, services_of
from tests.envoy.names import answering
from tests.support.certificates import NAME, Mounted
from tests.support.envoy_server import Envoy, laid_over, running_envoy
from tests.support.mesh import MeshProcess, free_port, write_config

SECRET = "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret"


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    """Who signs the mesh's certificates."""
    return trustme.CA()


@pytest.fixture(scope="module")
def places(
    tmp_path_factory: pytest.TempPathFactory, upstream: Upstream, authority: trustme.CA
) -> Iterator[dict[str, Any]]:
    """Where the services of a mesh with certificates are, by the name that is in them."""
    folder = tmp_path_factory.mktemp("secured")
    tls = Mounted(folder / "tls", authority).settings.model_dump(mode="json")
    gateway = {"keys": KEYS, "check_listen": f"127.0.0.1:{free_port()}"}
    config = write_config(folder / "config.json", {"mesh": {"tls": tls}, "gateway": gateway, "cache": PATIENT})
    with running(MeshProcess(folder / "state", "--upstream", upstream.url, "--config", str(config))) as mesh:
        yield {name: {**place, "host": NAME} for name, place in services_of(mesh).items()}


@contextmanager
def envoy_with(folder: Path, places: Mapping[str, Any], mounted: Mounted) -> Iterator[Envoy]:
    """An Envoy with these certificates."""
    tls = mounted.settings
    pair = {"certificate_chain": {"filename": str(tls.cert)}, "private_key": {"filename": str(tls.key)}}
    files = {
        "certificate": {"name": "mesh", "tls_certificate": pair},
        "authority": {"name": "authority", "validation_context": {"trusted_ca": {"filename": str(tls.ca)}}},
    }
    for name, secret in files.items():
        (folder / f"{name}.json").write_text(json.dumps({"resources": [{"@type": SECRET, **secret}]}))
    mesh = {name: str(folder / f"{name}.json") for name in files}
    changes = {"services": places, "mesh": mesh}
    with answering("127.0.0.1") as names, running_envoy(folder / "envoy", changes, beside=names.bootstrap) as running:
        yield running


def refusal(envoy: Envoy, namespace: str) -> Any:
    with GrpcClient(envoy.address, ACME_KEY, namespace) as client, pytest.raises(grpc.RpcError) as caught:
        client.generate()
    return caught.value


def test_questions_are_answered_in_both_protocols(
    places: Mapping[str, Any], authority: trustme.CA, tmp_path: Path, namespace: str
) -> None:
    with envoy_with(tmp_path, places, Mounted(tmp_path / "tls", authority)) as envoy:
        with GrpcClient(envoy.address, ACME_KEY, namespace) as client:
            assert client.generate().generation.choices[0].content == echo(QUESTION)
        headers = {"authorization": f"Bearer {ACME_KEY}"}
        reply = httpx.post(f"{envoy.url}{GENERATE}", json=question(namespace), headers=headers, timeout=20)
        assert reply.raise_for_status().json()["outcome"]["status"] == "CACHE_STATUS_HIT"


def test_a_stranger_s_certificate_opens_nothing(places: Mapping[str, Any], tmp_path: Path, namespace: str) -> None:
    with envoy_with(tmp_path, places, Mounted(tmp_path / "tls", trustme.CA())) as envoy:
        assert refusal(envoy, namespace).code() == grpc.StatusCode.UNAVAILABLE


def test_a_service_of_another_name_is_not_called(
    places: Mapping[str, Any], authority: trustme.CA, tmp_path: Path, namespace: str
) -> None:
    elsewhere = laid_over(places, {"cache": {"host": "other.mesh.internal"}})
    with envoy_with(tmp_path, elsewhere, Mounted(tmp_path / "tls", authority)) as envoy:
        assert refusal(envoy, namespace).code() == grpc.StatusCode.UNAVAILABLE
