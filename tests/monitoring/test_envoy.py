"""The chart's Envoy has the metrics and labels that dashboard and alerts ask it for."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx
import pytest

from tests.monitoring.declared import OF_SCRAPES, OF_TARGETS
from tests.monitoring.promql import Selector, grouped_by, selectors
from tests.monitoring.sources import expressions
from tests.support.envoy_server import running_envoy

ASKED = {place: text for place, text in expressions().items() if "envoy_" in text}
RPC = "/synapse.router.v1.RouterService/ListModels"


class WelcomesAll(BaseHTTPRequestHandler):
    """A double of the gateway's check of identities."""

    def do_POST(self) -> None:
        self.send_response(200)
        self.send_header("x-synapse-subject", "somebody")
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # the base class's name
        """Nothing is logged."""


@contextmanager
def check_double() -> Iterator[int]:
    """The port of a double of the check."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), WelcomesAll)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        server.server_close()


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, set[str]]]:
    """Labels by the names of Envoy's metrics, after a request that found no service behind it."""
    with check_double() as port:
        changes = {"rateLimit": {"requestsPerSecond": 1, "burst": 1}, "services": {"check": {"port": port}}}
        with running_envoy(tmp_path_factory.mktemp("envoy"), changes) as envoy:
            httpx.post(f"{envoy.url}{RPC}", headers={"content-type": "application/grpc"}, timeout=10)
            yield labels_in(httpx.get(f"{envoy.metrics}/stats/prometheus", timeout=10).text)


def labels_in(text: str) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for name, inside in re.findall(r"^(envoy_\w+)\{([^}]*)\}", text, re.MULTILINE):
        found.setdefault(name, set()).update(re.findall(r'(\w+)="', inside))
    return found


def of_envoy(expression: str) -> list[Selector]:
    return [one for one in selectors(expression) if one.metric.startswith("envoy_")]


@pytest.mark.parametrize("place", ASKED)
def test_envoy_has_every_metric(served: dict[str, set[str]], place: str) -> None:
    assert [one.metric for one in of_envoy(ASKED[place]) if one.metric not in served] == []


@pytest.mark.parametrize("place", ASKED)
def test_envoy_has_every_label(served: dict[str, set[str]], place: str) -> None:
    own = set().union(*(served[one.metric] for one in of_envoy(ASKED[place])))
    asked = {matcher.label for one in of_envoy(ASKED[place]) for matcher in one.matchers} | grouped_by(ASKED[place])
    assert asked <= own | OF_SCRAPES | OF_TARGETS
