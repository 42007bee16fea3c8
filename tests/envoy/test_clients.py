"""The examples of docs/clients, run as their readers would run them: through Envoy, with a key."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import pytest
import trustme

from tests.e2e.upstream import echo, running_upstream
from tests.support.certificates import Mounted
from tests.support.envoy_server import running_envoy
from tests.support.mesh import MeshProcess, clean_environment, free_port, write_config
from tests.support.parts import ROOT, missing

SECONDS = 60
CLIENTS = ROOT / "docs" / "clients"
MODULES = ROOT / "tests" / "e2e" / "node" / "node_modules"
SECRET = "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret"


@dataclass(frozen=True)
class Door:
    """Where clients reach a mesh, and who signed its certificate."""

    address: str
    key: str
    authority: Path


@pytest.fixture(scope="module")
def door(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Door]:
    """A mesh with an echoing backend behind an Envoy that speaks TLS alone."""
    folder, check = tmp_path_factory.mktemp("clients"), free_port()
    mounted = Mounted(folder / "tls", trustme.CA())
    mounted.issue("localhost")
    files = mounted.settings
    config = write_config(folder / "config.json", {"gateway": {"check_listen": f"127.0.0.1:{check}"}})
    with running_upstream() as upstream:
        mesh = MeshProcess(folder / "state", "--upstream", upstream.url, "--config", str(config))
        try:
            mesh.start()
            cache = int(mesh.endpoint.grpc.rpartition(":")[2])
            changes = {
                "services": {"cache": {"port": cache}, "check": {"port": check}},
                "certificate": str(certificate(folder / "certificate.json", files.cert, files.key)),
            }
            with running_envoy(folder / "envoy", changes) as envoy:
                yield Door(envoy.address.replace("127.0.0.1", "localhost"), mesh.endpoint.key, files.ca)
        finally:
            mesh.stop()


def certificate(file: Path, chain: Path, key: Path) -> Path:
    """The file by which Envoy learns where its certificate lies."""
    pair = {"certificate_chain": {"filename": str(chain)}, "private_key": {"filename": str(key)}}
    file.write_text(json.dumps({"resources": [{"@type": SECRET, "name": "door", "tls_certificate": pair}]}))
    return file


def python(_: Path) -> list[str]:
    """The client in Python; this environment holds the stubs of its wheel."""
    return [sys.executable, str(CLIENTS / "python" / "stream.py")]


def node(folder: Path) -> list[str]:
    """The client in Node, in a folder where its packages are installed."""
    program = shutil.which("node") or missing("node: this machine has no Node.js")
    if not (MODULES / "@grpc" / "grpc-js").exists():
        missing("@grpc/grpc-js for Node: not installed, run `make node`")
    shutil.copy(CLIENTS / "node" / "stream.mjs", folder)
    (folder / "node_modules").symlink_to(MODULES)
    return [program, str(folder / "stream.mjs"), "--protos", str(ROOT / "protos")]


each_client = pytest.mark.parametrize("client", [python, pytest.param(node, marks=pytest.mark.node)])


def asked(command: list[str], door: Door, question: str, **changed: str) -> subprocess.CompletedProcess[str]:
    given = {"model": "echo", "address": door.address, "key": door.key, "ca": str(door.authority)} | changed
    options = [word for name, value in given.items() for word in (f"--{name}", value)]
    return subprocess.run(
        [*command, *options, question],
        env=clean_environment(),
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )


@each_client
def test_an_answer_is_streamed_and_comes_from_the_cache_the_second_time(client, door: Door, tmp_path: Path) -> None:
    question = f"What is the capital of France? {uuid4().hex}"
    done = asked(client(tmp_path), door, question)
    assert done.returncode == 0, done.stderr
    first, miss, second, hit = done.stdout.splitlines()
    assert first == second == echo(question)
    assert miss.startswith("[MISS: ")
    assert hit == "[HIT: exact]"


@each_client
def test_a_wrong_key_is_told(client, door: Door, tmp_path: Path) -> None:
    done = asked(client(tmp_path), door, "Who?", key="sk-wrong")
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr.startswith("UNAUTHENTICATED: The API key is not valid.")


def test_a_client_tells_what_failed_and_when_to_ask_again(door: Door, tmp_path: Path) -> None:
    done = asked(python(tmp_path), door, "Who?", model="fail/429")
    assert done.returncode == 1
    assert done.stderr.startswith("RESOURCE_EXHAUSTED: ")
    assert done.stderr.endswith("; reason PROVIDER_ERROR; again in 7 s\n")


def test_the_packages_of_the_node_example_are_those_that_are_tested() -> None:
    example = json.loads((CLIENTS / "node" / "package.json").read_text())["dependencies"]
    tested = json.loads((MODULES.parent / "package.json").read_text())["dependencies"]
    assert example.items() <= tested.items()
