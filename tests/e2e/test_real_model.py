"""The real small model behind the mesh: what a backend of flesh and blood sends passes through the cache."""

from __future__ import annotations

import json
import subprocess
import sys

import httpx
import pytest

from tests.e2e import answers
from tests.e2e.asking import Asker
from tests.support.mesh import MeshProcess

QUESTION = "What is the capital of France?"
_CITY = {
    "type": "object",
    "properties": {"city": {"type": "string", "maxLength": 20}, "is_capital": {"type": "boolean"}},
    "required": ["city", "is_capital"],
    "additionalProperties": False,
}


def test_a_schema_binds_the_model_and_its_answer_is_kept(ask_real: Asker) -> None:
    form = {"type": "json_schema", "json_schema": {"name": "city", "schema": _CITY, "strict": True}}
    first, second = (ask_real(QUESTION, response_format=form) for _ in range(2))
    assert [first.status, second.status] == ["MISS", "HIT-L1"]
    assert json.loads(first.text or "").keys() == {"city", "is_capital"}
    assert second.text == first.text


@pytest.mark.parametrize("form", ["plain", "streamed"])
def test_token_probabilities_are_kept(ask_real: Asker, form: str) -> None:
    options = {"logprobs": True, "top_logprobs": 2}
    first = ask_real.in_form(form, QUESTION, **options)
    whole = first.json if form == "plain" else answers.assembled(first.chunks)  # type: ignore[union-attr]
    again = ask_real(QUESTION, **options)
    assert (first.status, again.status) == ("MISS", "HIT-L1")
    tokens = whole["choices"][0]["logprobs"]["content"]
    assert "".join(token["token"] for token in tokens) == first.text
    assert all(len(token["top_logprobs"]) == 2 for token in tokens)
    assert again.json["choices"][0]["logprobs"]["content"] == tokens


def test_usage_of_a_stream_comes_last_from_the_model_and_from_the_cache(ask_real: Asker) -> None:
    streams = [ask_real.stream(QUESTION, stream_options={"include_usage": True}) for _ in range(2)]
    assert [streamed.status for streamed in streams] == ["MISS", "HIT-L1"]
    first, second = (streamed.chunks[-1]["usage"] for streamed in streams)
    assert first == second
    assert first["total_tokens"] == first["prompt_tokens"] + first["completion_tokens"] > 20


def test_several_choices_of_the_model_are_kept(ask_real: Asker) -> None:
    first, second = (ask_real(QUESTION, n=2) for _ in range(2))
    assert [first.status, second.status] == ["MISS", "HIT-L1"]
    assert [choice["index"] for choice in second.json["choices"]] == [0, 1]
    assert second.json["choices"] == first.json["choices"]


def test_an_answer_cut_by_max_tokens_is_not_kept(ask_real: Asker) -> None:
    replies = [ask_real(QUESTION, max_tokens=3) for _ in range(2)]
    assert [reply.status for reply in replies] == ["MISS", "MISS"]
    assert replies[0].json["choices"][0]["finish_reason"] == "length"


def test_a_legacy_completion_is_answered(ask_real: Asker) -> None:
    model = ask_real.usual["model"]
    completion = ask_real.client.completions.create(model=model, prompt="The capital of France is", max_tokens=4)
    assert completion.choices[0].text
    assert completion.choices[0].finish_reason == "length"


def test_the_model_is_listed(ask_real: Asker) -> None:
    assert ask_real.usual["model"] in {model.id for model in ask_real.client.models.list()}


def test_the_command_line_asks_the_running_mesh(ask_real: Asker, mesh_real: MeshProcess) -> None:
    state = ("--state", str(mesh_real.state))
    told = [_synapse("ask", *state, "What is the capital of Sweden?") for _ in range(2)]
    assert told[0].rpartition("\n[")[0] == told[1].rpartition("\n[")[0]
    assert "HIT-L1" in told[1]
    assert "cache_hit_rate" in _synapse("stats", *state)


def test_ready_says_so_without_a_key(mesh_real: MeshProcess) -> None:
    assert httpx.get(f"{mesh_real.endpoint.url}/ready").json() == {"ready": True}
    assert httpx.get(f"{mesh_real.endpoint.url}/health").json() == {"status": "ok"}


def _synapse(*arguments: str) -> str:
    command = [sys.executable, "-m", "synapse_standalone", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout
