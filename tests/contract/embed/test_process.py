"""The service as a process: not ready until the model answers, gone cleanly when told."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

START_SECONDS = 30


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def process(**variables: str) -> Iterator[subprocess.Popen[bytes]]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("SYNAPSE_")}
    command = [sys.executable, "-m", "synapse_embed"]
    with subprocess.Popen(command, env=clean | variables, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as child:
        try:
            yield child
        finally:
            child.kill()


def status(port: int) -> int:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/ready", timeout=5) as reply:
            return int(reply.status)
    except urllib.error.HTTPError as error:
        error.close()
        return error.code
    except urllib.error.URLError:
        return 0


def until_ready(port: int) -> list[int]:
    """The statuses of /ready as they came, ending with 200."""
    seen: list[int] = []
    deadline = time.monotonic() + START_SECONDS
    while (now := status(port)) != 200 and time.monotonic() < deadline:
        seen.append(now)
        time.sleep(0.005)
    return [*seen, now]


def test_it_is_ready_when_the_model_answers_and_ends_on_sigterm(tmp_path: Path) -> None:
    port = free_port()
    variables = {
        "SYNAPSE_EMBED__LISTEN": f"127.0.0.1:{free_port()}",
        "SYNAPSE_EMBED__PROBES": f"127.0.0.1:{port}",
        "SYNAPSE_EMBED__MODEL_DIR": str(tmp_path),
    }
    with process(**variables) as child:
        seen = until_ready(port)
        assert 503 in seen
        assert seen[-1] == 200
        child.send_signal(signal.SIGTERM)
        assert child.wait(timeout=20) == 0


def test_a_port_in_use_is_said_in_one_line() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        with process(SYNAPSE_EMBED__PROBES=address, SYNAPSE_EMBED__PROVIDER="hashing") as child:
            _, complaint = child.communicate(timeout=START_SECONDS)
    assert child.returncode == 69
    assert b"Traceback" not in complaint
    assert address.encode() in complaint or b"in use" in complaint


def test_it_ends_on_sigterm_while_a_backend_is_waited_for() -> None:
    variables = {
        "SYNAPSE_EMBED__LISTEN": f"127.0.0.1:{free_port()}",
        "SYNAPSE_EMBED__PROBES": f"127.0.0.1:{free_port()}",
        "SYNAPSE_EMBED__PROVIDER": "tei",
        "SYNAPSE_EMBED__TEI__ENDPOINT": f"http://127.0.0.1:{free_port()}",
    }
    with process(**variables) as child:
        watchdog = threading.Timer(START_SECONDS, child.kill)
        watchdog.start()
        assert child.stdout is not None
        assert any(b"does not answer yet" in line for line in child.stdout)
        watchdog.cancel()
        child.send_signal(signal.SIGTERM)
        _, complaint = child.communicate(timeout=20)
    assert child.returncode == 0
    assert b"Traceback" not in complaint


def test_a_backend_without_its_section_is_said_in_one_line() -> None:
    with process(SYNAPSE_EMBED__PROVIDER="triton") as child:
        _, complaint = child.communicate(timeout=START_SECONDS)
    assert child.returncode == 78
    assert b"needs the section embed.triton" in complaint
    assert b"Traceback" not in complaint
