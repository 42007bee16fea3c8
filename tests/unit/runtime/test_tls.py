"""Mutual TLS between services: who is let in, what is wrong with certificates, and how a renewal is taken up."""

from __future__ import annotations

import asyncio
import datetime as dt
import logging
import ssl
from contextlib import suppress

import grpc
import pytest
import trustme
from prometheus_client import REGISTRY

from synapse.router.v1 import router_pb2, router_pb2_grpc
from synapse_runtime import errors
from synapse_runtime.channel import open_channel
from synapse_runtime.secured import SecuredChannel
from synapse_runtime.server import Service, serving
from synapse_runtime.settings import MeshSettings, SettingsError
from synapse_runtime.tls import Certificates, peer_name, server_context
from tests.support.certificates import NAME, Mounted
from tests.unit.runtime.mesh import DESCRIPTOR, Router, failure, models

ASKED = router_pb2.ListModelsRequest()


class Witness(Router):
    """Keeps the certificates of who lists models."""

    def __init__(self):
        super().__init__()
        self.callers = []

    async def list_models(self, request, call):
        (shown,) = call.context.auth_context()["x509_pem_cert"]
        self.callers.append(shown.decode())
        return await super().list_models(request, call)


@pytest.fixture(scope="module")
def authority():
    return trustme.CA()


@pytest.fixture
def mounted(tmp_path, authority):
    return Mounted(tmp_path / "own", authority)


@pytest.fixture
async def serve(stack, router):
    """Serves the router with certificates; returns the address."""

    async def start(certificates, servicer=router):
        mesh = MeshSettings(drain_seconds=1, tls=certificates.settings)
        running = await stack.enter_async_context(serving("127.0.0.1:0", [Service(DESCRIPTOR, servicer)], mesh=mesh))
        return f"127.0.0.1:{running.port}"

    return start


@pytest.fixture
async def ask(stack):
    """Asks an address for its models over a new channel."""

    async def call(target, certificates=None, **given):
        tls = None if certificates is None else certificates.settings
        channel = await stack.enter_async_context(open_channel(target, tls=tls, retries=False, linked=False, **given))
        return await router_pb2_grpc.RouterServiceStub(channel).ListModels(ASKED, timeout=5)

    return call


@pytest.fixture
async def renewing(mounted):
    """Makes channels with the mounted certificates that look at the files with every call."""
    opened = []

    def make(address):
        opened.append(SecuredChannel(address, Certificates(mounted.settings), look_seconds=0))
        return opened[-1]

    yield make
    for channel in opened:
        await channel.close()


async def shown(address):
    """The certificate that a gRPC server shows to who asks now."""
    host, _, port = address.rpartition(":")
    return await asyncio.to_thread(ssl.get_server_certificate, (host, int(port)))


def pem(leaf):
    return leaf.cert_chain_pems[0].bytes().decode()


async def test_services_with_certificates_of_one_authority_reach_each_other(serve, ask, mounted, tmp_path, authority):
    other = Mounted(tmp_path / "other", authority)
    assert await ask(await serve(mounted), other) == models("a/b")


async def test_a_caller_in_plain_text_is_refused(serve, ask, mounted, router):
    address = await serve(mounted)
    assert isinstance(await failure(ask(address)), errors.Unavailable)
    assert not router.calls


async def test_a_caller_without_a_certificate_is_refused(serve, mounted, router, authority):
    address = await serve(mounted)
    trusting = grpc.ssl_channel_credentials(authority.cert_pem.bytes())
    async with grpc.aio.secure_channel(address, trusting) as channel:
        error = await failure(router_pb2_grpc.RouterServiceStub(channel).ListModels(ASKED, timeout=5))
    assert isinstance(error, errors.Unavailable)
    assert not router.calls


async def test_a_caller_with_a_certificate_of_another_authority_is_refused(serve, ask, mounted, tmp_path, router):
    foreign = Mounted(tmp_path / "foreign", trustme.CA())
    leaf = foreign.issue()
    ours = mounted.authority.cert_pem.bytes()
    address = await serve(mounted)
    credentials = grpc.ssl_channel_credentials(ours, leaf.private_key_pem.bytes(), pem(leaf).encode())
    async with grpc.aio.secure_channel(address, credentials) as channel:
        error = await failure(router_pb2_grpc.RouterServiceStub(channel).ListModels(ASKED, timeout=5))
    assert isinstance(error, errors.Unavailable)
    assert not router.calls


async def test_a_server_of_another_authority_is_not_asked(serve, ask, mounted, tmp_path, router):
    address = await serve(Mounted(tmp_path / "foreign", trustme.CA()))
    assert isinstance(await failure(ask(address, mounted)), errors.Unavailable)
    assert not router.calls


async def test_a_server_of_another_name_is_not_asked(serve, ask, mounted, router):
    mounted.issue("elsewhere.mesh.internal")
    assert isinstance(await failure(ask(await serve(mounted), mounted)), errors.Unavailable)
    assert not router.calls


async def test_a_replica_reached_by_address_proves_the_name_that_led_there(serve, stack, mounted):
    mounted.issue(NAME)
    address = await serve(mounted)
    certificates = Certificates(mounted.settings)
    channel = await stack.enter_async_context(SecuredChannel(address, certificates, name=NAME))
    assert await router_pb2_grpc.RouterServiceStub(channel).ListModels(ASKED, timeout=5) == models("a/b")


async def test_replicas_that_a_name_leads_to_are_asked_for_that_name(serve, ask, mounted):
    mounted.issue("localhost")
    port = (await serve(mounted)).rpartition(":")[2]
    assert await ask(f"dns:///localhost:{port}", mounted) == models("a/b")
    with pytest.raises(grpc.aio.AioRpcError, match="Hostname Verification"):
        await ask(f"ipv4:127.0.0.1:{port}", mounted)


async def test_certificates_do_not_stand_in_for_the_secret(mounted):
    with pytest.raises(SettingsError, match="secret"):
        async with serving("0.0.0.0:0", [], mesh=MeshSettings(tls=mounted.settings)):
            pass


async def test_calls_travel_over_a_link_under_tls(serve, stack, mounted):
    channel = await stack.enter_async_context(open_channel(await serve(mounted), tls=mounted.settings))
    assert await channel.link_ready()
    assert await router_pb2_grpc.RouterServiceStub(channel).ListModels(ASKED, timeout=5) == models("a/b")
    assert channel.messages_written


async def test_an_authority_below_a_root_may_be_the_meshs(serve, ask, tmp_path, authority):
    below = Mounted(tmp_path / "below", authority.create_child_ca())
    assert await ask(await serve(below), below) == models("a/b")


async def test_a_server_shows_the_renewed_certificate(serve, mounted):
    address = await serve(mounted)
    before = await shown(address)
    leaf = mounted.issue()
    assert await shown(address) == pem(leaf) != before


async def test_a_server_asks_for_certificates_of_the_renewed_authority(serve, ask, mounted, tmp_path, authority):
    address, before = await serve(mounted), Mounted(tmp_path / "before", authority)
    mounted.issue(authority=trustme.CA())
    assert isinstance(await failure(ask(address, before)), errors.Unavailable)
    assert await ask(address, mounted) == models("a/b")


async def test_a_client_shows_the_renewed_certificate(serve, renewing, mounted, tmp_path, authority):
    witness = Witness()
    channel = renewing(await serve(Mounted(tmp_path / "server", authority), witness))
    stub = router_pb2_grpc.RouterServiceStub(channel)
    await stub.ListModels(ASKED, timeout=5)
    leaf = mounted.issue()
    await stub.ListModels(ASKED, timeout=5)
    before, after = witness.callers
    assert after == pem(leaf) != before


async def test_a_client_believes_the_renewed_authority(serve, renewing, mounted, tmp_path, authority):
    server = Mounted(tmp_path / "server", authority)
    stub = router_pb2_grpc.RouterServiceStub(renewing(await serve(server)))
    renewed = trustme.CA()
    server.issue(authority=renewed)
    mounted.issue(authority=renewed)
    assert await stub.ListModels(ASKED, timeout=5) == models("a/b")


async def test_calls_under_way_end_on_the_channel_that_a_renewal_leaves(serve, renewing, mounted, router):
    channel = renewing(await serve(mounted))
    stub, left = router_pb2_grpc.RouterServiceStub(channel), channel.latest
    late = asyncio.ensure_future(stub.Generate(router_pb2.GenerateRequest(), timeout=5))
    await router.entered.wait()
    mounted.issue()
    assert await stub.ListModels(ASKED, timeout=5) == models("a/b")
    assert channel.latest is not left
    router.proceed.set()
    assert (await late).origin.backend == "late"


async def test_a_channel_that_was_left_is_closed_behind_its_last_call(serve, renewing, mounted, router):
    channel = renewing(await serve(mounted))
    stub, left = router_pb2_grpc.RouterServiceStub(channel), channel.latest
    stream = stub.StreamGenerate(router_pb2.StreamGenerateRequest(), timeout=5)
    await stream.read()
    mounted.issue()
    await stub.ListModels(ASKED, timeout=5)
    assert left.channel.get_state() is grpc.ChannelConnectivity.READY
    stream.cancel()
    await asyncio.sleep(0.1)
    assert left.channel.get_state() is grpc.ChannelConnectivity.SHUTDOWN


def test_a_half_written_renewal_leaves_the_certificate_in_use(mounted, caplog):
    certificates = Certificates(mounted.settings)
    before = certificates.current()
    other = mounted.authority.issue_cert(NAME)
    with caplog.at_level(logging.WARNING):
        mounted.put(pem(other).encode(), before.key, before.ca)
        assert certificates.current() is certificates.current() is before
    (record,) = caplog.records
    assert str(mounted.settings.key) in record.error
    mounted.issue()
    assert certificates.current() is not before


@pytest.mark.parametrize("name", ["cert", "key", "ca"])
@pytest.mark.parametrize("text", [None, b"", b"nonsense"])
def test_a_file_that_is_missing_or_wrong_is_named_at_the_start(mounted, name, text):
    path = getattr(mounted.settings, name)
    path.unlink() if text is None else path.write_bytes(text)
    with pytest.raises(SettingsError) as raised:
        Certificates(mounted.settings)
    assert f"mesh.tls.{name}: " in str(raised.value)
    assert str(path) in str(raised.value)


def test_a_certificate_that_no_peer_would_accept_is_an_error_at_the_start(mounted):
    mounted.issue(trusting=trustme.CA().cert_pem.bytes())
    with pytest.raises(SettingsError, match=r"mesh\.tls\.cert: .*issuer"):
        Certificates(mounted.settings)
    mounted.issue(not_after=dt.datetime(2020, 1, 1, tzinfo=dt.UTC))
    with pytest.raises(SettingsError, match="expired"):
        Certificates(mounted.settings)


def test_when_the_certificate_expires_is_a_metric(mounted):
    mounted.issue(not_after=dt.datetime(2035, 1, 1, tzinfo=dt.UTC))
    certificates = Certificates(mounted.settings)
    assert told_expiry(mounted) == dt.datetime(2035, 1, 1, tzinfo=dt.UTC).timestamp()
    mounted.issue(not_after=dt.datetime(2036, 1, 1, tzinfo=dt.UTC))
    certificates.current()
    assert told_expiry(mounted) == dt.datetime(2036, 1, 1, tzinfo=dt.UTC).timestamp()


def told_expiry(mounted):
    name, labels = "synapse_tls_certificate_expiry_timestamp_seconds", {"file": str(mounted.settings.cert)}
    return REGISTRY.get_sample_value(name, labels)


@pytest.mark.parametrize("name", [None, NAME])
def test_a_server_that_is_not_grpcs_shows_the_renewed_certificate_too(mounted, name):
    context = server_context(Certificates(mounted.settings))
    leaf = mounted.issue(authority=trustme.CA())
    asking = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    asking.check_hostname = False
    asking.load_verify_locations(mounted.settings.ca)
    asking.load_cert_chain(mounted.settings.cert, mounted.settings.key)
    client = shaken(asking, context, name)
    assert ssl.DER_cert_to_PEM_cert(client.getpeercert(binary_form=True)) == pem(leaf)


def test_a_server_that_is_not_grpcs_refuses_certificates_of_the_earlier_authority(mounted, tmp_path):
    before = Mounted(tmp_path / "before", mounted.authority)
    context = server_context(Certificates(mounted.settings))
    mounted.issue(authority=trustme.CA())
    asking = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    asking.check_hostname = False
    asking.verify_mode = ssl.CERT_NONE  # whatever the server shows: it is the one to refuse
    asking.load_cert_chain(before.settings.cert, before.settings.key)
    with pytest.raises(ssl.SSLCertVerificationError):
        shaken(asking, context, NAME)


def shaken(asking, serving_context, name):
    """The client's end of a handshake in memory."""
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = asking.wrap_bio(to_client, to_server, server_hostname=name)
    server = serving_context.wrap_bio(to_server, to_client, server_side=True)
    for _ in range(3):
        for side in (client, server):
            with suppress(ssl.SSLWantReadError):
                side.do_handshake()
    return client


@pytest.mark.parametrize(
    ("target", "name"),
    [
        ("127.0.0.1:50051", "127.0.0.1"),
        ("[::1]:50051", "::1"),
        ("cache:50051", "cache"),
        ("dns:///synapse-proxy.synapse.svc.cluster.local:50051", "synapse-proxy.synapse.svc.cluster.local"),
        ("dns:///synapse-proxy.synapse.svc.cluster.local.:50051", "synapse-proxy.synapse.svc.cluster.local"),
        ("dns://10.0.0.10/cache:50051", "cache"),
        ("dns:///[fd00::1]:50051", "fd00::1"),
        ("ipv4:10.0.0.1:1,10.0.0.2:1", ""),
    ],
)
def test_the_name_of_a_peer_is_the_host_of_the_target(target, name):
    assert peer_name(target) == name
