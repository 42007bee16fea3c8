"""`synapse up` over the real services: what it leaves behind, however it ends, and what it refuses to begin."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from synapse_standalone.errors import EXIT_BUSY, EXIT_CONFIG, EXIT_INTERRUPTED, EXIT_UNAVAILABLE
from tests.support.mesh import STOP_SECONDS, MeshProcess, clean_environment, write_config

PARTS = {"gateway", "cache", "llm-router", "embed", "valkey"}


def make_mesh(folder: Path) -> MeshProcess:
    """A mesh without models, not started."""
    config = write_config(folder / "config.json", {"embed": {"provider": "hashing"}})
    return MeshProcess(folder / "state", "--upstream", "http://127.0.0.1:1", "--config", str(config))


@pytest.fixture
def mesh(tmp_path: Path) -> Iterator[MeshProcess]:
    """A mesh for one test, not started."""
    made = make_mesh(tmp_path)
    yield made
    made.stop()


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MeshProcess]:
    """A mesh that runs for all tests."""
    made = make_mesh(tmp_path_factory.mktemp("running"))
    try:
        made.start()
        yield made
    finally:
        made.stop()


def family(mesh: MeshProcess) -> list[psutil.Process]:
    parts = psutil.Process(mesh.endpoint.pid).children(recursive=True)
    assert len(parts) == len(PARTS)
    return parts


def listens(port: int) -> bool:
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == 0


def refusal(mesh: MeshProcess) -> tuple[int, str]:
    """Exit status and words of an `up` that does not begin."""
    done = subprocess.run(
        mesh.command, env=clean_environment(), capture_output=True, text=True, timeout=STOP_SECONDS, check=False
    )
    return done.returncode, done.stderr


def test_the_end_leaves_nothing_behind_but_the_state(mesh: MeshProcess) -> None:
    mesh.start()
    parts = family(mesh)
    assert mesh.stop() == 0
    assert not [part for part in parts if part.is_running()]
    assert not listens(mesh.port)
    assert not (mesh.state / "endpoint.json").exists()
    assert (mesh.state / "key").exists()


def test_a_killed_supervisor_takes_every_part_with_it_and_the_next_goes_on(mesh: MeshProcess) -> None:
    mesh.start()
    parts, key = family(mesh), mesh.endpoint.key
    os.kill(mesh.endpoint.pid, signal.SIGKILL)
    _, alive = psutil.wait_procs(parts, timeout=10)
    assert not alive
    mesh.stop()
    (mesh.state / "endpoint.json").unlink()
    mesh.start()
    assert mesh.endpoint.key == key
    assert mesh.is_ready()


@pytest.mark.parametrize("part", sorted(PARTS))
def test_a_crashed_part_comes_back_and_the_others_stay(running: MeshProcess, part: str) -> None:
    before = {name: running.part(name).pid for name in PARTS - {part}}
    running.wait_until_back(part, killed=running.kill(part))
    assert {name: running.part(name).pid for name in before} == before
    assert f"{part} was ended by signal SIGKILL; starts again in 0.5 s" in running.output.read_text()


def test_the_second_interrupt_ends_it_at_once(mesh: MeshProcess) -> None:
    mesh.start()
    parts = family(mesh)
    for part in parts:
        part.suspend()  # deaf to a polite request
    supervisor = psutil.Process(mesh.endpoint.pid)
    supervisor.send_signal(signal.SIGINT)
    time.sleep(0.2)
    assert supervisor.is_running()
    assert mesh.stop() == EXIT_INTERRUPTED
    assert not [part for part in parts if part.is_running()]


def test_a_second_one_on_the_same_state_is_refused(running: MeshProcess) -> None:
    status, words = refusal(running)
    assert status == EXIT_BUSY
    assert f"another `synapse up` (process {running.endpoint.pid}) is running" in words


def test_a_port_in_use_is_told_before_anything_starts(mesh: MeshProcess) -> None:
    with socket.create_server(("127.0.0.1", mesh.port)):
        status, words = refusal(mesh)
    assert status == EXIT_UNAVAILABLE
    assert f"port {mesh.port} of 127.0.0.1 is in use" in words
    assert not list(mesh.state.glob("logs/*"))


def test_a_wrong_configuration_is_told_before_anything_starts(mesh: MeshProcess, tmp_path: Path) -> None:
    write_config(tmp_path / "config.json", {"cache": {"ttl": 5}})
    status, words = refusal(mesh)
    assert status == EXIT_CONFIG
    assert "cache.ttl: Extra inputs are not permitted" in words
    assert not list(mesh.state.glob("logs/*"))
