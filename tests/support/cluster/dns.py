"""The DNS of the cluster: names of Services are the addresses of their ready pods, or the Service's own address."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from dnslib import QTYPE, RCODE, RR, A, DNSError, DNSRecord

DOMAIN = "cluster.local"
TTL_SECONDS = 5
Resolve = Callable[[str, str, str], list[str] | None]
"""Addresses of a pod's hostname ("" for the whole Service), Service and namespace; None when there is no such name."""


class Dns(asyncio.DatagramProtocol):
    """Answers over UDP."""

    def __init__(self, resolve: Resolve) -> None:
        self._resolve = resolve
        self._transport: asyncio.DatagramTransport | None = None

    @classmethod
    async def open(cls, address: str, resolve: Resolve) -> None:
        """Answer on port 53 of `address` until the process ends."""
        loop = asyncio.get_running_loop()
        await loop.create_datagram_endpoint(lambda: cls(resolve), local_addr=(address, 53))

    def connection_made(self, transport: Any) -> None:
        self._transport = transport

    def datagram_received(self, data: bytes, addr: Any) -> None:
        try:
            question = DNSRecord.parse(data)
        except DNSError:
            return
        if self._transport is not None:
            self._transport.sendto(self._answer(question).pack(), addr)

    def _answer(self, question: DNSRecord) -> DNSRecord:
        reply = question.reply()
        name = str(question.q.qname).rstrip(".").lower()
        addresses = self._addresses(name)
        if addresses is None:
            reply.header.rcode = RCODE.NXDOMAIN
        elif question.q.qtype == QTYPE.A:
            for address in addresses:
                reply.add_answer(RR(question.q.qname, QTYPE.A, rdata=A(address), ttl=TTL_SECONDS))
        return reply

    def _addresses(self, name: str) -> list[str] | None:
        path, suffix, rest = name.partition(f".svc.{DOMAIN}")
        if not suffix or rest:
            return None
        host, _, service = path.rpartition(".")[0].rpartition(".")
        return self._resolve(host, service, path.rpartition(".")[2])


def resolv_conf(namespace: str, server: str) -> str:
    """What a pod's /etc/resolv.conf says."""
    return f"nameserver {server}\nsearch {namespace}.svc.{DOMAIN} svc.{DOMAIN} {DOMAIN}\noptions ndots:5\n"
