"""`synapse logs|savings|simulate`: what they send to the gateway, and what people see."""

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

OUTCOME = {
    "status": "CACHE_STATUS_HIT",
    "tier": "CACHE_TIER_L2",
    "reason": "verified",
    "latency": "0.004s",
    "tokens_saved": "12",
}
LOG = {
    "id": "req_1",
    "time": "2026-11-23T18:00:00.5Z",
    "namespace": "default",
    "model": "m",
    "outcome": OUTCOME,
    "probability": 0.987,
    "best_similarity": 0.91,
    "bar": 0.05,
}
MISS = {"id": "req_2", "outcome": {"status": "CACHE_STATUS_MISS", "reason": "veto_number"}, "best_veto": "number"}
SAVED = {"requests": "4", "hits": "1", "tokens_saved": "1200", "cost_saved": 0.25, "milliseconds_saved": 1500.0}
REPLIES = {
    "/api/v1/logs": {"logs": [LOG, MISS], "next_page_token": ""},
    "/api/v1/logs/a%2Fb/similar": {"logs": [LOG | {"similarity": 0.8, "prompt": "tea\ntime"}]},
    "/api/v1/analytics/savings": {
        "total": SAVED,
        "by_model": [SAVED | {"tenant": "acme", "model": "m"}],
        "by_day": [SAVED | {"day": "2026-11-23"}],
    },
    "/api/v1/thresholds/simulate": {
        "current": {"requests": "9", "hit_rate": 0.5, "error_bound": 0.123},
        "simulated": {"requests": "9", "hit_rate": 0.75, "cost_saved": 0.5},
        "caveats": ["Only 9 requests."],
    },
}


class Gateway(BaseHTTPRequestHandler):
    """Answers by path, and keeps what it was asked; a list of logs that wants more than two gets pages."""

    asked: list[tuple[str, Any]]

    def answer(self) -> None:
        length = int(self.headers.get("content-length", 0))
        self.asked.append((self.path, json.loads(self.rfile.read(length)) if length else None))
        path = self.path.partition("?")[0]
        reply = dict(REPLIES[path])
        if "page_size=3" in self.path:
            reply["next_page_token"] = "7-0"
        self.send_response(200)
        self.end_headers()
        self.wfile.write(json.dumps(reply).encode())

    def do_GET(self) -> None:
        self.answer()

    def do_POST(self) -> None:
        self.answer()

    def log_message(self, *args: object) -> None:
        """Tests are quiet."""


@pytest.fixture
def synapse(tmp_path: Path) -> Iterator[Callable[..., list[tuple[str, Any]]]]:
    """Runs a command; returns what the gateway was asked."""
    handler = type("Handler", (Gateway,), {"asked": []})
    with HTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        endpoint = {"url": f"http://127.0.0.1:{server.server_port}", "key": "sk", "model": "m", "pid": os.getpid()}
        (tmp_path / "endpoint.json").write_text(json.dumps(endpoint))

        def run(*arguments: str) -> list[tuple[str, Any]]:
            assert main([*arguments, "--state", str(tmp_path)]) == 0
            return list(handler.asked)

        yield run
        server.shutdown()
        thread.join()


def test_logs_are_a_table(synapse: Callable[..., Any], capsys: pytest.CaptureFixture[str]) -> None:
    synapse("logs")
    head, hit, miss = capsys.readouterr().out.splitlines()
    assert head.split()[:3] == ["TIME", "STATUS", "REASON"]
    assert [word in hit for word in ("2026-11-23 18:00:00", "HIT-L2", "0.910", "0.987", "0.950", "4.0 ms")] == [
        True
    ] * 6
    assert "veto_number (number)" in miss


def test_logs_are_asked_for_by_page_and_sieve(synapse: Callable[..., Any]) -> None:
    asked = synapse("logs", "--tier", "l2", "--status", "hit", "--model", "a b", "-n", "3")
    assert asked[0][0] == "/api/v1/logs?page_size=3&tier=CACHE_TIER_L2&status=CACHE_STATUS_HIT&model=a+b"
    assert asked[1][0].startswith("/api/v1/logs?page_size=1&page_token=7-0&")


def test_logs_like_one_show_how_like(synapse: Callable[..., Any], capsys: pytest.CaptureFixture[str]) -> None:
    assert synapse("logs", "--like", "a/b", "-n", "5")[0][0] == "/api/v1/logs/a%2Fb/similar?page_size=5"
    head, row = capsys.readouterr().out.splitlines()
    assert head.split()[-2:] == ["LIKE", "PROMPT"]
    assert row.endswith("0.800  tea time")


def test_savings_are_in_all_by_model_and_by_day(
    synapse: Callable[..., Any], capsys: pytest.CaptureFixture[str]
) -> None:
    assert synapse("savings", "--days", "2")[0][0] == "/api/v1/analytics/savings?window=172800s"
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == ["SAVED", "all", "acme", "2026-11-23"]
    assert lines[1].split() == ["all", "4", "1", "25%", "1,200", "$0.2500", "1.5", "s"]


def test_a_simulation_shows_both_worlds(synapse: Callable[..., Any], capsys: pytest.CaptureFixture[str]) -> None:
    asked = synapse("simulate", "--max-error", "0.02", "--hit-threshold", "0.8", "--shadow", "off", "--days", "1")
    wanted = {"cache_hit_threshold": 0.8, "max_error": 0.02, "shadow": False}
    assert asked[0][1] == {"thresholds": wanted, "tenant": "", "namespace": "", "window": "86400s"}
    out = capsys.readouterr().out
    assert "hit rate              50.00%     75.00%" in out
    assert out.endswith("- Only 9 requests.\n")


@pytest.mark.parametrize("command", ["logs", "savings", "simulate"])
def test_everything_can_be_had_as_json(
    synapse: Callable[..., Any], capsys: pytest.CaptureFixture[str], command: str
) -> None:
    synapse(command, "--json")
    assert json.loads(capsys.readouterr().out)


@pytest.mark.parametrize("wrong", [("logs", "-n", "0"), ("logs", "--tier", "L7"), ("simulate", "--max-error", "much")])
def test_what_cannot_be_meant_is_refused(wrong: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(list(wrong))
    assert wrong[1] in capsys.readouterr().err
