"""`synapse feedback`: what it sends to the gateway, and what people see; `synapse ask --ids` tells what to send."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from synapse_standalone.__main__ import main


class Gateway(BaseHTTPRequestHandler):
    """Answers questions and takes reports, of which it keeps the last; entry "gone" is not there."""

    said: list[Any]

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        if self.path == "/v1/chat/completions":
            self.answer(200, {"choices": [{"message": {"content": "Paris."}}]})
            return
        self.said.append((self.path, body))
        gone = body["entry_id"] == "gone"
        self.answer(404 if gone else 200, {"error": {"message": "no entry"}} if gone else {"effect": "split"})

    def answer(self, status: int, body: Any) -> None:
        self.send_response(status)
        self.send_header("x-synapse-entry-id", "e1")
        self.send_header("x-request-id", "req-7")
        self.end_headers()
        self.wfile.write(json.dumps(body).encode())

    def log_message(self, *args: object) -> None:
        """Tests are quiet."""


@pytest.fixture
def state(tmp_path: Path) -> Iterator[Path]:
    """The folder of a mesh that seems to run."""
    Gateway.said = []
    with HTTPServer(("127.0.0.1", 0), Gateway) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        endpoint = {"url": f"http://127.0.0.1:{server.server_port}", "key": "sk", "model": "m", "pid": os.getpid()}
        (tmp_path / "endpoint.json").write_text(json.dumps(endpoint))
        yield tmp_path
        server.shutdown()
        thread.join()


def test_a_report_says_what_is_known(state: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["feedback", "e1", "wrong", "--request-id", "req-7", "--comment", "no", "--state", str(state)]) == 0
    said = {"entry_id": "e1", "rating": "RATING_WRONG", "request_id": "req-7", "comment": "no"}
    assert Gateway.said == [("/api/v1/feedback", said)]
    assert capsys.readouterr().out.startswith("split: ")


def test_a_report_may_name_the_wording(state: Path) -> None:
    main(["feedback", "e1", "right", "--prompt", "what is it?", "--state", str(state)])
    assert Gateway.said[0][1] == {"entry_id": "e1", "rating": "RATING_RIGHT", "prompt": "what is it?"}


def test_an_entry_that_is_gone_is_told_in_the_gateways_words(state: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["feedback", "gone", "wrong", "--state", str(state)]) == 1
    assert "404: no entry" in capsys.readouterr().err


def test_an_answer_shows_its_ids_where_they_are_wanted(state: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["ask", "capital?", "--ids", "--state", str(state)]) == 0
    assert capsys.readouterr().out.endswith("[entry e1, request req-7]\n")
    main(["ask", "capital?", "--state", str(state)])
    assert "req-7" not in capsys.readouterr().out
