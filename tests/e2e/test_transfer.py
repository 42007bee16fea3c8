"""Entries of the running mesh exported, flushed and imported again, and answers stored beforehand."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import httpx
import pytest

from synapse_standalone.__main__ import main
from tests.e2e.asking import Asker
from tests.e2e.conftest import ACME_KEY, VIEWER_KEY, asking
from tests.support.mesh import MeshProcess

QUESTIONS = [
    "What is the capital of France?",
    "How many legs does a spider have?",
    "Who wrote Hamlet?",
    "At which temperature does water boil?",
]
REWORDED = "Can you tell me the capital of France?"
LINES = {"content-type": "application/x-ndjson"}
EXPORT, IMPORT = "/api/v1/cache:export", "/api/v1/cache:import"


def exported(http: httpx.Client, namespace: str, **wanted: str) -> list[dict[str, Any]]:
    parameters = {"namespace": namespace, **wanted}
    reply = http.get(EXPORT, params=parameters, headers={"accept": "application/jsonl"}).raise_for_status()
    return [json.loads(line) for line in reply.text.splitlines()]


def flush(http: httpx.Client, namespace: str) -> None:
    http.post("/api/v1/cache:invalidate", json={"namespace": namespace}).raise_for_status()


def text(entries: list[dict[str, Any]]) -> str:
    return "".join(json.dumps(entry) + "\n" for entry in entries)


def statuses(ask: Asker, *questions: str) -> list[str]:
    return [ask(question, extra_headers={"cache-control": "no-store"}).status for question in questions]


def test_the_same_questions_hit_after_export_flush_and_import(ask: Asker, http: httpx.Client, namespace: str) -> None:
    for question in QUESTIONS:
        ask(question)
    entries = exported(http, namespace, vectors="true")
    assert sorted(entry["prompt"] for entry in entries) == sorted(QUESTIONS)
    flush(http, namespace)
    assert statuses(ask, *QUESTIONS) == ["MISS"] * 4
    reply = http.post(IMPORT, content=text(entries), headers=LINES).raise_for_status().json()
    assert (reply["imported"], reply["refused"]) == ("4", "0")
    assert statuses(ask, *QUESTIONS, REWORDED) == ["HIT-L1"] * 4 + ["HIT-L2"]
    again = http.post(IMPORT, content=text(entries), headers=LINES).raise_for_status().json()
    assert (again["imported"], again["unchanged"]) == ("0", "4")


def test_an_export_serves_another_tenant_and_another_namespace(
    mesh_double: MeshProcess, ask: Asker, http: httpx.Client, namespace: str
) -> None:
    ask(QUESTIONS[0])
    entries = exported(http, namespace)
    parameters, headers = {"namespace": f"{namespace}.copy"}, {**LINES, "authorization": f"Bearer {ACME_KEY}"}
    reply = http.post(IMPORT, params=parameters, content=text(entries), headers=headers).raise_for_status()
    assert reply.json()["imported"] == "1"
    with asking(mesh_double, f"{namespace}.copy", api_key=ACME_KEY) as theirs:
        assert statuses(theirs, QUESTIONS[0]) == ["HIT-L1"]


def test_a_viewer_neither_exports_nor_imports(http: httpx.Client, namespace: str) -> None:
    viewer = {"authorization": f"Bearer {VIEWER_KEY}"}
    assert http.get(EXPORT, headers=viewer).status_code == 403
    assert http.post(IMPORT, content="{}\n", headers={**LINES, **viewer}).status_code == 403


@pytest.mark.parametrize("name", ["entries.jsonl", "entries.jsonl.gz"])
def test_the_command_line_exports_and_imports(
    mesh_double: MeshProcess, ask: Asker, http: httpx.Client, namespace: str, tmp_path: Path, name: str
) -> None:
    ask(QUESTIONS[0])
    file, state = tmp_path / name, ["--state", str(mesh_double.state)]
    assert main(["export", str(file), "--namespace", namespace, "--vectors", *state]) == 0
    raw = gzip.decompress(file.read_bytes()) if name.endswith(".gz") else file.read_bytes()
    assert json.loads(raw)["prompt"] == QUESTIONS[0]
    flush(http, namespace)
    assert main(["import", str(file), *state]) == 0
    assert statuses(ask, QUESTIONS[0]) == ["HIT-L1"]


def test_the_command_line_says_which_lines_were_refused(
    mesh_double: MeshProcess, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "broken.jsonl"
    file.write_text("\n" * 3 + "{broken\n\n" + '{"key_version": 1}\n')
    assert main(["import", str(file), "--state", str(mesh_double.state)]) == 1
    told = capsys.readouterr()
    assert "line 4: the line is not JSON\nline 6: its key is of version 1" in told.err
    assert told.out == "0 imported, 0 unchanged, 0 expired, 2 refused\n"


def test_answers_that_are_known_beforehand_are_served(
    mesh_double: MeshProcess, namespace: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = [
        {"prompt": "When are you open?", "answer": "From nine to five.", "tags": ["faq"]},
        {"prompt": "Where are you?", "answer": "In Lyon.", "system": "Be brief.", "namespace": namespace},
        {"prompt": "Who?", "anwser": "Us."},
    ]
    file = tmp_path / "faq.jsonl"
    file.write_text("".join(json.dumps(line) + "\n" for line in lines))
    state = ["--state", str(mesh_double.state)]
    assert main(["warm", str(file), "--model", "echo", "--namespace", namespace, *state]) == 1
    told = capsys.readouterr()
    assert (told.out, told.err) == ("2 stored, 1 refused\n", "line 3: unknown member 'anwser'\n")
    with asking(mesh_double, namespace) as ask:
        served = ask("When are you open?")
        assert (served.status, served.text) == ("HIT-L1", "From nine to five.")
        messages = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Where are you?"}]
        assert (ask("", messages=messages).text, ask("Where are you?").status) == ("In Lyon.", "MISS")
