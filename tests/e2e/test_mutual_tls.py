"""The four services with certificates of one authority: they reach each other, and nobody else reaches them."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import grpc
import httpx
import pytest
import trustme
from grpc_health.v1 import health_pb2, health_pb2_grpc

from tests.e2e.conftest import PATIENT, asking, running
from tests.e2e.upstream import Upstream
from tests.support.certificates import Mounted
from tests.support.mesh import MeshProcess, free_port, write_config


@dataclass(frozen=True)
class Secured:
    """A running mesh, the folder of its certificate, and where Envoy would ask who a caller is."""

    mesh: MeshProcess
    certificates: Mounted
    check: str

    def ask(self, prompt: str, namespace: str) -> str:
        """What the cache did."""
        with asking(self.mesh, namespace) as ask:
            return ask(prompt).status

    def channel(self, leaf: trustme.LeafCert | None) -> grpc.Channel:
        """A channel to the cache service of a caller with this certificate."""
        ca = self.certificates.settings.ca.read_bytes()
        own = {"private_key": leaf.private_key_pem.bytes(), "certificate_chain": chain(leaf)} if leaf else {}
        return grpc.secure_channel(self.mesh.endpoint.grpc, grpc.ssl_channel_credentials(ca, **own))

    def shown(self) -> str:
        """The certificate that the cache service shows now."""
        host, _, port = self.mesh.endpoint.grpc.rpartition(":")
        return ssl.get_server_certificate((host, int(port)))


def chain(leaf: trustme.LeafCert) -> bytes:
    return b"".join(pem.bytes() for pem in leaf.cert_chain_pems)


def health(channel: grpc.Channel) -> int:
    """What the cache service says of itself."""
    stub = health_pb2_grpc.HealthStub(channel)
    return int(stub.Check(health_pb2.HealthCheckRequest(), timeout=5).status)


@pytest.fixture(scope="module")
def secured(tmp_path_factory: pytest.TempPathFactory, upstream: Upstream) -> Iterator[Secured]:
    folder: Path = tmp_path_factory.mktemp("secured")
    certificates, check = Mounted(folder / "tls", trustme.CA()), f"127.0.0.1:{free_port()}"
    tls = certificates.settings.model_dump(mode="json")
    sections = {"mesh": {"tls": tls}, "gateway": {"check_listen": check}, "cache": PATIENT}
    config = write_config(folder / "config.json", sections)
    with running(MeshProcess(folder / "state", "--upstream", upstream.url, "--config", str(config))) as mesh:
        yield Secured(mesh, certificates, check)


def test_a_question_is_answered_from_the_cache(secured: Secured, namespace: str) -> None:
    assert [secured.ask("What is mutual TLS?", namespace) for _ in range(2)] == ["MISS", "HIT-L1"]


def test_a_caller_of_the_cache_needs_a_certificate(secured: Secured) -> None:
    for channel in (grpc.insecure_channel(secured.mesh.endpoint.grpc), secured.channel(None)):
        with channel, pytest.raises(grpc.RpcError) as raised:
            health(channel)
        assert raised.value.code() is grpc.StatusCode.UNAVAILABLE
    with secured.channel(secured.certificates.authority.issue_cert("somebody")) as channel:
        assert health(channel) == health_pb2.HealthCheckResponse.SERVING


def test_who_asks_for_identities_needs_a_certificate(secured: Secured) -> None:
    context = ssl.create_default_context(cafile=secured.certificates.settings.ca)
    headers = {"authorization": f"Bearer {secured.mesh.endpoint.key}"}
    url = f"https://{secured.check}/check/synapse.cache.v1.CacheService/Generate"
    with pytest.raises(httpx.HTTPError):
        httpx.post(url, verify=context, headers=headers)
    secured.certificates.authority.issue_cert("envoy").configure_cert(context)
    assert "x-synapse-identity" in httpx.post(url, verify=context, headers=headers).headers


def test_a_renewal_is_taken_up_without_a_restart(secured: Secured, namespace: str) -> None:
    leaf = secured.certificates.issue()
    assert secured.shown().encode() == chain(leaf)
    with secured.channel(leaf) as channel:
        assert health(channel) == health_pb2.HealthCheckResponse.SERVING
    assert [secured.ask("What is a renewal?", namespace) for _ in range(2)] == ["MISS", "HIT-L1"]
