"""The Redis store over TLS: the certificate is checked, and rediss:// is all that it takes."""

from __future__ import annotations

import asyncio
import shutil
import ssl
import subprocess
from contextlib import asynccontextmanager

import pytest

from synapse_cache.adapters.exact_redis import RedisExactStore
from synapse_cache.ports import StoreUnavailable
from tests.support.redis_servers import missing


@pytest.fixture(scope="session")
def certificate(tmp_path_factory):
    """Files of a certificate for localhost, signed by itself, and of its key."""
    openssl = shutil.which("openssl")
    if openssl is None:
        missing("openssl: this machine has no such command")
    folder = tmp_path_factory.mktemp("tls")
    cert, key = folder / "cert.pem", folder / "key.pem"
    subject = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost", "-days", "2"]
    wanted = ["-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", *subject]
    subprocess.run([openssl, "req", *wanted, "-keyout", key, "-out", cert], check=True, capture_output=True, timeout=30)
    return cert, key


@asynccontextmanager
async def tls_in_front_of(server, certificate):
    """A port that speaks TLS and passes everything to the server."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(*certificate)

    serving = set()

    async def copy(reader, writer):
        try:
            while data := await reader.read(65_536):
                writer.write(data)
                await writer.drain()
        finally:
            writer.close()

    async def serve(reader, writer):
        serving.add(asyncio.current_task())
        onward_reader, onward_writer = await asyncio.open_connection("127.0.0.1", server.port)
        await asyncio.gather(copy(reader, onward_writer), copy(onward_reader, writer), return_exceptions=True)
        await asyncio.gather(onward_writer.wait_closed(), writer.wait_closed(), return_exceptions=True)

    listener = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
    async with listener:
        yield f"rediss://localhost:{listener.sockets[0].getsockname()[1]}/0"
    if serving:
        await asyncio.wait(serving, timeout=5)


async def test_a_trusted_certificate_is_enough(redis_server, certificate):
    async with tls_in_front_of(redis_server, certificate) as url:
        store = RedisExactStore.open(f"{url}?ssl_ca_certs={certificate[0]}", socket_timeout_seconds=5)
        await store.ping()
        await store.close()


async def test_an_unknown_certificate_is_unavailable(redis_server, certificate):
    async with tls_in_front_of(redis_server, certificate) as url:
        store = RedisExactStore.open(url, socket_timeout_seconds=5)
        with pytest.raises(StoreUnavailable):
            await store.ping()
        await store.close()
