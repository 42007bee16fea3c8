"""The command line as a client, over a small real HTTP server."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest

from synapse_standalone import client
from synapse_standalone.errors import CommandError

STREAM = (
    b': ping\n\ndata: {"choices": [{"delta": {"role": "assistant", "content": "tea "}}]}\n\n'
    b'data: {"choices": []}\n\ndata: {"choices": [{"delta": {"content": "time"}}]}\n\ndata: [DONE]\n\n'
)


class Gateway(BaseHTTPRequestHandler):
    """Answers as the gateway does; a wrong key is refused, the question "late" fails within the stream."""

    def do_GET(self) -> None:
        models = {"data": [{"id": "first"}]}
        self.answer(200, json.dumps(models if self.path == "/v1/models" else {"hits": 1, "rate": 0.5, "by": {"x": 2}}))

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        if self.headers["authorization"] != "Bearer sk":
            self.answer(401, '{"error": {"message": "wrong key"}}')
        elif not body["stream"]:
            self.answer(200, json.dumps({"choices": [{"message": {"content": f"from {body['model']}"}}]}))
        elif body["messages"][0]["content"] == "late":
            self.answer(200, 'data: {"error": {"message": "too late"}}\n\n')
        else:
            self.answer(200, STREAM.decode())

    def answer(self, status: int, text: str) -> None:
        self.send_response(status)
        self.send_header("x-synapse-cache-status", "HIT-L2")
        self.send_header("x-synapse-similarity", "0.97")
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, *args: object) -> None:
        """Tests are quiet."""


@pytest.fixture
def endpoint() -> Iterator[dict[str, Any]]:
    with HTTPServer(("127.0.0.1", 0), Gateway) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield {"url": f"http://127.0.0.1:{server.server_port}", "key": "sk", "model": "m"}
        server.shutdown()
        thread.join()


def test_an_answer_says_where_it_came_from(endpoint: dict[str, Any]) -> None:
    assert "".join(client.ask(endpoint, "hi", stream=False)) == "from m\n[HIT-L2, similarity 0.97]\n"


def test_another_model_can_be_asked(endpoint: dict[str, Any]) -> None:
    assert next(client.ask(endpoint, "hi", stream=False, model="other")) == "from other"


def test_a_streamed_answer_comes_in_pieces(endpoint: dict[str, Any]) -> None:
    assert list(client.ask(endpoint, "hi", stream=True))[:2] == ["tea ", "time"]


def test_a_late_failure_is_told(endpoint: dict[str, Any]) -> None:
    with pytest.raises(CommandError, match="too late"):
        list(client.ask(endpoint, "late", stream=True))


def test_a_refusal_is_told_in_the_gateways_words(endpoint: dict[str, Any]) -> None:
    with pytest.raises(CommandError, match="the gateway says 401: wrong key"):
        list(client.ask({**endpoint, "key": "bad"}, "hi", stream=False))


def test_a_gateway_that_is_gone_is_told() -> None:
    with pytest.raises(CommandError, match="does not answer"):
        client.stats({"url": "http://127.0.0.1:1", "key": "sk"})


def test_the_first_model_is_found(endpoint: dict[str, Any]) -> None:
    assert client.first_model(endpoint) == "first"


def test_statistics_are_aligned_and_flat(endpoint: dict[str, Any]) -> None:
    assert client.stats_lines(client.stats(endpoint)) == ["hits  1", "rate  0.500", "by.x  2"]
