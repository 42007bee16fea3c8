"""The network of the cluster: a bridge with the node's address, and a network namespace with an address for each pod."""

from __future__ import annotations

import asyncio
import ipaddress
import itertools

NODE_IP = "10.244.0.1"
_PODS = ipaddress.ip_network("10.244.0.0/16")
_SERVICES = ipaddress.ip_network("10.96.0.0/16")
_BRIDGE = "cluster0"
COMMAND_SECONDS = 10.0


class NetworkError(Exception):
    """The kernel refused a change of the network; the message says which."""


class Network:
    """Hands out addresses, none of them twice; lives in the namespace of the process that makes it."""

    def __init__(self) -> None:
        self._pods = itertools.count(2)
        self._services = itertools.count(10)

    async def open(self) -> None:
        """Lay the bridge."""
        await _ip(
            "link set lo up",
            f"link add {_BRIDGE} type bridge",
            f"addr add {NODE_IP}/{_PODS.prefixlen} dev {_BRIDGE}",
            f"link set {_BRIDGE} up",
        )

    async def add_pod(self) -> tuple[str, str]:
        """A namespace with an address: the file of the namespace, and the address."""
        number = next(self._pods)
        name, address = f"pod{number}", str(_PODS[number])
        await _run("ip", "netns", "add", name)
        await _ip(
            f"link add veth{number} type veth peer name eth0 netns {name}",
            f"link set veth{number} master {_BRIDGE} up",
        )
        await _ip(
            "link set lo up",
            f"addr add {address}/{_PODS.prefixlen} dev eth0",
            "link set eth0 up",
            f"route add default via {NODE_IP}",
            namespace=name,
        )
        return f"/run/netns/{name}", address

    async def remove_pod(self, namespace: str) -> None:
        """Take a pod's namespace away, and its address with it."""
        await _run("ip", "netns", "del", namespace.rpartition("/")[2])

    async def add_service(self) -> str:
        """An address for a Service, which the node answers."""
        address = str(_SERVICES[next(self._services)])
        await _ip(f"addr add {address}/32 dev {_BRIDGE}")
        return address

    async def remove_service(self, address: str) -> None:
        """Give the address of a Service back."""
        await _ip(f"addr del {address}/32 dev {_BRIDGE}")


async def _ip(*lines: str, namespace: str = "") -> None:
    inside = ("-n", namespace) if namespace else ()
    await _run("ip", *inside, "-batch", "-", given="\n".join(lines))


async def _run(*command: str, given: str = "") -> None:
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(*command, stdin=pipe, stdout=pipe, stderr=pipe)
    async with asyncio.timeout(COMMAND_SECONDS):
        _, errors = await process.communicate(given.encode())
    if process.returncode:
        raise NetworkError(f"{' '.join(command)}: {errors.decode().strip()}\n{given}")
