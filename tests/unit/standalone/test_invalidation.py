"""`synapse invalidate` and `synapse invalidations`: what they send to the gateway, and what people see."""

from __future__ import annotations

import io
import json
import os
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from synapse_standalone.__main__ import main

DRY = {"removed": "0", "matched": "21", "sample_ids": ["e1", "e2"]}
TRAIL = {
    "invalidations": [
        {
            "time": "2026-11-23T18:00:00.5Z",
            "tenant": "acme",
            "actor": "key-1",
            "removed": "3",
            "conditions": {"tag": "geo", "older_than": "3600s", "reason": "wrong prices"},
        },
        {"time": "2026-11-23T17:00:00Z", "tenant": "acme", "actor": "k", "removed": "-1", "conditions": {"all": True}},
    ],
    "next_page_token": "",
}


class Gateway(BaseHTTPRequestHandler):
    """Answers as the gateway does, and keeps what it was asked."""

    asked: list[Any]

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        self.asked.append((self.path, body))
        self.answer(DRY if body.get("dry_run") else {"removed": "1", "matched": "1", "invalidation_id": "1-1"})

    def do_GET(self) -> None:
        self.asked.append(self.path)
        self.answer(TRAIL)

    def answer(self, reply: object) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(json.dumps(reply).encode())

    def log_message(self, *args: object) -> None:
        """Tests are quiet."""


@pytest.fixture
def synapse(tmp_path: Path) -> Iterator[Callable[..., list[Any]]]:
    """Runs `synapse` with arguments; returns what the gateway was asked."""
    handler = type("Handler", (Gateway,), {"asked": []})
    with HTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        endpoint = {"url": f"http://127.0.0.1:{server.server_port}", "key": "sk", "model": "m", "pid": os.getpid()}
        (tmp_path / "endpoint.json").write_text(json.dumps(endpoint))

        def run(*arguments: str, status: int = 0) -> list[Any]:
            handler.asked.clear()
            assert main([*arguments, "--state", str(tmp_path)]) == status
            return list(handler.asked)

        yield run
        server.shutdown()
        thread.join()


@pytest.mark.parametrize(
    ("arguments", "body"),
    [
        (["--id", "e1"], {"id": "e1"}),
        (["--tag", "geo", "--model", "m"], {"tag": "geo", "model": "m"}),
        (["--namespace", "docs", "--reason", "moved"], {"namespace": "docs", "reason": "moved"}),
        (["--older-than", "1.5h", "--tenant", "acme"], {"older_than": "5400.000s", "tenant": "acme"}),
        (["--similar-to", "a b", "--min-similarity", "0.8"], {"similar_to": "a b", "min_similarity": 0.8}),
        (["--all", "--yes"], {"all": True}),
        (["--all", "--dry-run"], {"all": True, "dry_run": True}),
    ],
)
def test_what_is_typed_is_what_is_asked(
    synapse: Callable[..., Any], arguments: list[str], body: dict[str, Any]
) -> None:
    assert synapse("invalidate", *arguments) == [("/api/v1/cache:invalidate", body)]


def test_people_are_told_how_many_went_or_would(
    synapse: Callable[..., Any], capsys: pytest.CaptureFixture[str]
) -> None:
    synapse("invalidate", "--tag", "geo")
    assert capsys.readouterr().out == "removed 1 entry\n"
    synapse("invalidate", "--tag", "geo", "--dry-run")
    assert capsys.readouterr().out.splitlines() == ["would remove 21 entries", "e1", "e2", "..."]
    synapse("invalidate", "--tag", "geo", "--json")
    assert json.loads(capsys.readouterr().out)["invalidation_id"] == "1-1"


def test_everything_goes_only_when_somebody_says_so(
    synapse: Callable[..., Any], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert synapse("invalidate", "--all", status=1) == []
    assert "--yes" in capsys.readouterr().err
    for typed, asked in (("n\n", 0), ("\n", 0), ("y\n", 1)):
        terminal = io.StringIO(typed)
        monkeypatch.setattr(terminal, "isatty", lambda: True)
        monkeypatch.setattr("sys.stdin", terminal)
        assert len(synapse("invalidate", "--all", status=0 if asked else 1)) == asked


def test_an_invalidation_of_nothing_is_refused(synapse: Callable[..., Any]) -> None:
    assert synapse("invalidate", status=1) == []
    assert synapse("invalidate", "--dry-run", status=1) == []


@pytest.mark.parametrize("age", ["1", "h", "-1h", "1y", ""])
def test_an_age_that_is_none_is_refused(age: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["invalidate", f"--older-than={age}"])
    assert "--older-than" in capsys.readouterr().err


def test_the_trail_is_a_table(synapse: Callable[..., Any], capsys: pytest.CaptureFixture[str]) -> None:
    assert synapse("invalidations", "-n", "5") == ["/api/v1/invalidations?page_size=5&page_token=&tenant="]
    assert capsys.readouterr().out.splitlines() == [
        "WHEN                 TENANT  WHO    WHAT                      REMOVED  WHY",
        "2026-11-23 18:00:00  acme    key-1  tag=geo older-than=3600s  3        wrong prices",
        "2026-11-23 17:00:00  acme    k      all                       ?        -",
    ]
