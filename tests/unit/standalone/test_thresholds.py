"""`synapse thresholds`: what it sends to the gateway, and what people see."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from synapse_standalone.__main__ import main

REPLY = {
    "tenant": "a/b",
    "set": {"shadow": True, "l1_ttl_secs": 31_536_000},
    "effective": {"max_error": 0.01, "shadow": True, "l1_ttl_secs": 31_536_000},
    "tenants": ["acme", "globex"],
}


class Gateway(BaseHTTPRequestHandler):
    """Answers everything alike, and keeps what it was asked."""

    asked: list[tuple[str, str, Any]]

    def answer(self) -> None:
        length = int(self.headers.get("content-length", 0))
        self.asked.append((self.command, self.path, json.loads(self.rfile.read(length)) if length else None))
        self.send_response(200)
        self.end_headers()
        self.wfile.write(json.dumps(REPLY).encode())

    def do_GET(self) -> None:
        self.answer()

    def do_PATCH(self) -> None:
        self.answer()

    def do_DELETE(self) -> None:
        self.answer()

    def log_message(self, *args: object) -> None:
        """Tests are quiet."""


@pytest.fixture
def synapse(tmp_path: Path) -> Iterator[Callable[..., list[tuple[str, str, Any]]]]:
    """Runs `synapse thresholds` with arguments; returns what the gateway was asked."""
    handler = type("Handler", (Gateway,), {"asked": []})
    with HTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        endpoint = {"url": f"http://127.0.0.1:{server.server_port}", "key": "sk", "model": "m", "pid": os.getpid()}
        (tmp_path / "endpoint.json").write_text(json.dumps(endpoint))

        def run(*arguments: str) -> list[tuple[str, str, Any]]:
            handler.asked.clear()
            assert main(["thresholds", *arguments, "--state", str(tmp_path)]) == 0
            return list(handler.asked)

        yield run
        server.shutdown()
        thread.join()


def test_it_shows_those_of_all_tenants_when_nothing_is_said(synapse: Callable[..., Any]) -> None:
    assert synapse() == [("GET", "/api/v1/thresholds", None)]


def test_it_changes_what_is_named_and_nothing_else(synapse: Callable[..., Any]) -> None:
    body = {"max_error": 0.005, "shadow": False, "l1_ttl_secs": None}
    asked = synapse("set", "--tenant", "acme", "--max-error", "0.005", "--shadow", "off", "--l1-ttl", "default")
    assert asked == [("PATCH", "/api/v1/thresholds/tenants/acme", body)]


def test_a_reset_takes_a_level_back(synapse: Callable[..., Any]) -> None:
    assert synapse("reset", "--tenant", "a/b") == [("DELETE", "/api/v1/thresholds/tenants/a%2Fb", None)]


def test_people_see_a_table(synapse: Callable[..., Any], capsys: pytest.CaptureFixture[str]) -> None:
    synapse("show", "--tenant", "a/b")
    assert capsys.readouterr().out.splitlines() == [
        "THRESHOLD    IN FORCE    SET FOR tenant a/b",
        "max_error    0.01        -",
        "shadow       on          on",
        "l1_ttl_secs  31536000 s  31536000 s",
        "",
        "tenants with thresholds of their own: acme, globex",
    ]


def test_programs_see_the_reply(synapse: Callable[..., Any], capsys: pytest.CaptureFixture[str]) -> None:
    synapse("--json")
    assert json.loads(capsys.readouterr().out) == REPLY


@pytest.mark.parametrize("arguments", [["show", "--shadow", "on"], ["reset", "--max-error", "0"], ["set"]])
def test_what_makes_no_sense_is_refused(
    arguments: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["thresholds", *arguments, "--state", str(tmp_path)]) == 1
    assert "set" in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [["--shadow", "maybe"], ["--max-error", "little"]])
def test_a_value_of_another_kind_is_refused(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["thresholds", "set", *arguments])
    assert arguments[0] in capsys.readouterr().err
