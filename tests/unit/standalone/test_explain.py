"""`synapse explain`: what it sends to the gateway, and what people see."""

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

MISSED = {
    "outcome": {
        "status": "CACHE_STATUS_MISS",
        "tier": "CACHE_TIER_UNSPECIFIED",
        "reason": "above_bar",
        "key": "ab" * 32,
        "entry_id": "",
        "shadow": False,
    },
    "summary": "would miss: no stored answer is likely enough to be right",
    "exact_only_reason": "",
    "uncacheable_reason": "",
    "entry_key": "",
    "suspended": False,
    "freshness": "static",
    "bar": 0.014,
    "thresholds": {"max_error": 0.01},
    "candidates": [
        {
            "entry_id": "ent_1",
            "similarity": 0.9312,
            "veto": "",
            "reason": "above_bar",
            "doubt": "words",
            "probability": 0.9312,
            "score": 1.25,
            "prompt": "Why is the [bold]sky[/bold]\nblue?",
        },
        {"entry_id": "ent_2", "similarity": 0.9, "veto": "number", "reason": "", "doubt": "", "prompt": ""},
    ],
}
HIT = MISSED | {
    "outcome": MISSED["outcome"] | {"status": "CACHE_STATUS_HIT", "tier": "CACHE_TIER_L1", "reason": "alias"},  # type: ignore[operator]
    "entry_key": "cd" * 32,
    "candidates": [],
}
SAME = {"entry_id": "", "similarity": 0.99, "veto": "", "reason": "", "doubt": "", "probability": 0.997, "prompt": "q"}
VARIATIONS = [
    {"text": "why is the sky blue?", "edit": "case", "same": True, "against_original": SAME, "explanation": HIT},
    {
        "text": "Why is the sky not blue?",
        "edit": "negation",
        "same": False,
        "against_original": SAME | {"veto": "negation"},
        "explanation": MISSED,
    },
]


class Gateway(BaseHTTPRequestHandler):
    """Answers with `reply`, and keeps what it was asked."""

    asked: list[tuple[str, Any]]
    reply: dict[str, Any]

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        self.asked.append((self.path, body))
        self.send_response(200)
        self.end_headers()
        self.wfile.write(json.dumps(self.reply).encode())

    def log_message(self, *args: object) -> None:
        """Tests are quiet."""


@pytest.fixture
def synapse(tmp_path: Path) -> Iterator[Callable[..., list[tuple[str, Any]]]]:
    """Runs `synapse explain` with arguments before a gateway that replies; returns what that was asked."""
    handler = type("Handler", (Gateway,), {"asked": [], "reply": {}})
    with HTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        endpoint = {"url": f"http://127.0.0.1:{server.server_port}", "key": "sk", "model": "m", "pid": os.getpid()}
        (tmp_path / "endpoint.json").write_text(json.dumps(endpoint))

        def run(reply: dict[str, Any], *arguments: str) -> list[tuple[str, Any]]:
            handler.reply = reply
            assert main(["explain", *arguments, "--state", str(tmp_path)]) == 0
            return list(handler.asked)

        yield run
        server.shutdown()
        thread.join()


def test_it_asks_as_the_question_would_be_asked(synapse: Callable[..., Any]) -> None:
    messages = [{"role": "user", "text": "Why?"}]
    assert synapse({"explanation": MISSED}, "Why?") == [
        ("/api/v1/cache:explain", {"request": {"model": "m", "messages": messages}, "control": {}})
    ]


def test_model_system_prompt_and_namespace_go_along(synapse: Callable[..., Any]) -> None:
    arguments = ("Why?", "--model", "gpt", "--system", "Be brief", "--namespace", "docs")
    ((_, body),) = synapse({"explanation": MISSED}, *arguments)
    assert body["request"]["model"] == "gpt"
    assert body["request"]["messages"][0] == {"role": "system", "text": "Be brief"}
    assert body["control"] == {"namespace": "docs"}


def test_people_see_the_verdict_and_the_candidates(
    synapse: Callable[..., Any], capsys: pytest.CaptureFixture[str]
) -> None:
    synapse({"explanation": MISSED}, "Why?")
    shown = [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]
    assert shown == [
        "would miss: no stored answer is likely enough to be right",
        "",
        "decision MISS, above_bar",
        "needed now right with 98.6 % or more (max_error 1 %)",
        f"key {'ab' * 32}",
        "",
        "SIMILAR RIGHT VERIFIER VERDICT QUESTION ENTRY",
        "0.931 93.12 % +1.25 above_bar (open: words) Why is the [bold]sky[/bold] blue? ent_1",
        "0.900 - - veto: number - ent_2",
    ]


def test_people_see_whose_answer_an_alias_leads_to(
    synapse: Callable[..., Any], capsys: pytest.CaptureFixture[str]
) -> None:
    synapse({"explanation": HIT}, "Why?")
    out = capsys.readouterr().out
    assert "HIT-L1, alias" in out
    assert f"its key     {'cd' * 32}" in out


def test_people_see_what_becomes_of_other_wordings(
    synapse: Callable[..., Any], capsys: pytest.CaptureFixture[str]
) -> None:
    ((path, _),) = synapse({"variations": VARIATIONS}, "Why is the sky blue?", "--variations")
    assert path == "/api/v1/playground/variations"
    assert [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()] == [
        "ASKS EDIT WORDING IF YOURS WERE STORED RIGHT NOW",
        "the same case why is the sky blue? would hit 99.7 % HIT-L1, alias",
        "otherwise negation Why is the sky not blue? veto: negation 99.7 % MISS, above_bar",
        "",
        "1 of 1 wordings that ask the same would get your answer",
        "0 of 1 wordings that ask otherwise would get your answer",
    ]


def test_a_question_without_other_wordings_says_so(
    synapse: Callable[..., Any], capsys: pytest.CaptureFixture[str]
) -> None:
    synapse({"variations": []}, "Why?", "--variations")
    assert "no wordings" in capsys.readouterr().out


def test_programs_see_the_reply_and_nobody_sees_colours_in_a_file(
    synapse: Callable[..., Any], capsys: pytest.CaptureFixture[str]
) -> None:
    synapse({"explanation": MISSED}, "Why?", "--json")
    assert json.loads(capsys.readouterr().out) == {"explanation": MISSED}
    synapse({"explanation": MISSED}, "Why?")
    assert "\x1b" not in capsys.readouterr().out
