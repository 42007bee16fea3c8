"""Health, readiness and metrics answer beside whatever the event loop does."""

from __future__ import annotations

import socket
import threading
import time
import urllib.error
import urllib.request

import pytest

from synapse_runtime.probes import probes


def fetch(port, path, host="127.0.0.1"):
    try:
        with urllib.request.urlopen(f"http://{host}:{port}{path}", timeout=5) as reply:
            return reply.status, reply.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


@pytest.mark.parametrize(("ready", "status"), [(True, 200), (False, 503)])
@pytest.mark.parametrize("path", ["/ready", "/readyz", "/ready?verbose"])
def test_readiness_is_what_the_service_says(ready, status, path):
    with probes("127.0.0.1:0", ready=lambda: ready) as port:
        assert fetch(port, path)[0] == status


@pytest.mark.parametrize("path", ["/health", "/healthz", "/livez"])
def test_health_asks_nobody(path):
    def broken():
        raise AssertionError("asked")

    with probes("127.0.0.1:0", ready=broken) as port:
        assert fetch(port, path)[0] == 200


def test_metrics_are_prometheus_text():
    with probes("127.0.0.1:0", ready=lambda: True) as port:
        assert "# TYPE python_info gauge" in fetch(port, "/metrics")[1]


def test_other_paths_are_not_found():
    with probes("127.0.0.1:0", ready=lambda: True) as port:
        assert fetch(port, "/secret")[0] == 404


def test_a_silent_client_holds_nobody_up():
    with probes("127.0.0.1:0", ready=lambda: True) as port, socket.create_connection(("127.0.0.1", port)):
        assert fetch(port, "/health")[0] == 200


def test_it_listens_on_ipv6_too():
    with probes("[::1]:0", ready=lambda: True) as port:
        assert fetch(port, "/health", "[::1]")[0] == 200


def test_a_port_in_use_is_told():
    with (
        probes("127.0.0.1:0", ready=lambda: True) as port,
        pytest.raises(OSError),
        probes(f"127.0.0.1:{port}", ready=bool),
    ):
        pass


def test_the_end_is_prompt_and_leaves_no_thread():
    with probes("127.0.0.1:0", ready=lambda: True):
        started = time.monotonic()
    assert time.monotonic() - started < 2
    assert "probes" not in {thread.name for thread in threading.enumerate()}
