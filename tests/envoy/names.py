"""A name with several addresses, as a headless Service has it: a DNS server in a thread of the test process."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from dnslib import QTYPE, RR, A, DNSRecord
from dnslib.server import BaseResolver, DNSServer

NAME = "replicas.mesh.internal"
_TTL_SECONDS = 1


@dataclass
class Names(BaseResolver):  # type: ignore[misc]  # dnslib has no types
    """Answers every name with `addresses`."""

    addresses: Sequence[str]
    port: int = field(default=0)

    def resolve(self, request: DNSRecord, _handler: Any) -> DNSRecord:
        """The reply to one question."""
        reply = request.reply()
        if request.q.qtype == QTYPE.A:
            for address in self.addresses:
                reply.add_answer(RR(request.q.qname, QTYPE.A, rdata=A(address), ttl=_TTL_SECONDS))
        return reply

    @property
    def bootstrap(self) -> dict[str, Any]:
        """What Envoy's bootstrap says, so that it asks here."""
        kind = "type.googleapis.com/envoy.extensions.network.dns_resolver.cares.v3.CaresDnsResolverConfig"
        here = {"socket_address": {"address": "127.0.0.1", "port_value": self.port}}
        config = {"@type": kind, "resolvers": [here]}
        return {"typed_dns_resolver_config": {"name": "envoy.network.dns_resolver.cares", "typed_config": config}}


@contextmanager
def answering(*addresses: str) -> Iterator[Names]:
    """A server that gives these addresses for every name."""
    names = Names(addresses)
    server = DNSServer(names, address="127.0.0.1", port=0)
    names.port = int(server.server.server_address[1])
    server.start_thread()
    try:
        yield names
    finally:
        server.stop()
        server.server.server_close()
