"""vLLM behind the mesh on both of its wires, asked in every protocol with the official SDKs.

The model's answers are always the same and make no sense; what is tested is that they come through as vLLM gave them.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import anthropic
import httpx
import openai
import pytest

from tests.e2e.conftest import PATIENT, running
from tests.e2e.questions import SCHEMA, WEATHER, Called, Question, Returned, Said, question
from tests.e2e.speakers import FORMS, PROTOCOLS, Chat, Messages, Speaker, speakers, tell
from tests.e2e.test_cancel import until
from tests.optin.vllm_server import CONTEXT, MODEL, running_vllm
from tests.support import parts
from tests.support.mesh import MeshProcess, write_config

pytestmark = pytest.mark.timeout(600)
WIRES = ("openai", "anthropic")
HELLO = question("Hello", temperature=0, max_tokens=24)
WEATHER_AT = question("Weather?", temperature=0, tools=(WEATHER,), tool_choice=WEATHER.name)
TOO_LONG = question("a" * 2 * CONTEXT, max_tokens=8)


@pytest.fixture(scope="module")
def vllm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """URL of the server, without /v1."""
    try:
        with running_vllm(tmp_path_factory.mktemp("vllm")) as url:
            yield url
    except parts.PartMissing as absent:
        pytest.fail(str(absent))


@pytest.fixture(scope="module")
def mesh(tmp_path_factory: pytest.TempPathFactory, vllm: str) -> Iterator[MeshProcess]:
    """A mesh with a model for each wire of one vLLM."""
    folder: Path = tmp_path_factory.mktemp("mesh")
    backends = [
        {
            "name": f"vllm-{wire}",
            "provider": "vllm",
            "endpoint": vllm,
            "api_type": wire,
            "models": [f"{wire}={MODEL}", f"{wire}/nobody=nobody"],
        }
        for wire in WIRES
    ]
    config = write_config(folder / "config.json", {"router": {"backends": backends}, "cache": PATIENT})
    with running(MeshProcess(folder / "state", "--config", str(config))) as mesh:
        yield mesh


@pytest.fixture
def known(mesh: MeshProcess, namespace: str) -> Iterator[dict[str, Speaker]]:
    with speakers(mesh, namespace) as known:
        yield known


on_each_wire = pytest.mark.parametrize("wire", WIRES)
in_each_protocol = pytest.mark.parametrize("protocol", PROTOCOLS)
in_each_form = pytest.mark.parametrize("form", FORMS)


def straight(vllm: str, prompt: str, **members: Any) -> dict[str, Any]:
    """What vLLM answers without us."""
    body = {"model": MODEL, "messages": [{"role": "user", "content": prompt}], "temperature": 0, **members}
    answer: dict[str, Any] = httpx.post(f"{vllm}/v1/chat/completions", json=body, timeout=60).json()
    return answer


@on_each_wire
@in_each_protocol
@in_each_form
def test_the_answer_is_vllm_s_own(known: dict[str, Speaker], vllm: str, wire: str, protocol: str, form: str) -> None:
    expected = straight(vllm, "Hello", max_tokens=24)
    told = tell(known[protocol], form, wire, HELLO)
    assert told.text == expected["choices"][0]["message"]["content"]
    assert told.finish == "length"
    assert told.tokens == (expected["usage"]["prompt_tokens"], 24)


@on_each_wire
@in_each_protocol
def test_a_question_is_answered_once_and_then_from_the_cache(
    known: dict[str, Speaker], vllm: str, wire: str, protocol: str
) -> None:
    asked = Question((Said("user", "Hello"),), temperature=0, schema=SCHEMA)
    told = [tell(known[protocol], form, wire, asked) for form in (*FORMS, *FORMS)]
    assert [one.status for one in told] == ["MISS", *["HIT-L1"] * 3]
    assert json.loads(told[0].text)["city"] in {"Bern", "Oslo"}
    assert {one.said for one in told} == {told[0].said}


@on_each_wire
def test_an_answer_serves_every_protocol(known: dict[str, Speaker], wire: str) -> None:
    told = [known[protocol].ask(wire, WEATHER_AT) for protocol in PROTOCOLS]
    assert [one.status for one in told] == ["MISS", "HIT-L1", "HIT-L1"]
    assert told[0].calls == told[1].calls == told[2].calls


@on_each_wire
@in_each_protocol
@in_each_form
@pytest.mark.parametrize("choice", ["required", WEATHER.name])
def test_a_strict_tool_is_called(known: dict[str, Speaker], wire: str, protocol: str, form: str, choice: str) -> None:
    told = tell(known[protocol], form, wire, WEATHER_AT.with_(tool_choice=choice))
    assert [call.name for call in told.calls] == ["get_weather"]
    assert told.calls[0].arguments["city"] in {"Bern", "Oslo"}
    assert told.calls[0].id
    assert not told.text


@on_each_wire
@in_each_protocol
def test_results_of_tools_are_taken_back(known: dict[str, Speaker], wire: str, protocol: str) -> None:
    called = known[protocol].ask(wire, WEATHER_AT).calls
    turns = (Said("user", "Weather?"), Called(called), Returned({called[0].id: "Snow."}))
    assert known[protocol].ask(wire, Question(turns, temperature=0, max_tokens=8, tools=(WEATHER,))).text


@on_each_wire
@in_each_form
def test_a_stop_sequence_ends_the_answer_and_is_named_to_anthropic_s_client(
    known: dict[str, Speaker], wire: str, form: str
) -> None:
    whole = known["messages"].ask(wire, HELLO).text
    stop = whole[10]
    told = tell(known["messages"], form, wire, HELLO.with_(extra={"stop_sequences": [stop]}))
    assert told.text == whole[: whole.index(stop)]
    assert (told.raw.stop_reason, told.raw.stop_sequence) == ("stop_sequence", stop)


@on_each_wire
@in_each_form
def test_a_stop_sequence_ends_the_answer_for_openai_s_client(known: dict[str, Speaker], wire: str, form: str) -> None:
    whole = known["chat"].ask(wire, HELLO).text
    told = tell(known["chat"], form, wire, HELLO.with_(extra={"stop": [whole[10]]}))
    assert told.text == whole[: whole.index(whole[10])]
    assert told.finish == "stop"


@in_each_form
def test_log_probabilities_come_through(known: dict[str, Speaker], vllm: str, form: str) -> None:
    expected = straight(vllm, "Hello", max_tokens=24, logprobs=True, top_logprobs=2)["choices"][0]["logprobs"]
    asked = HELLO.with_(extra={"logprobs": True, "top_logprobs": 2})
    raw = tell(known["chat"], form, "openai", asked).raw
    if form == "plain":
        tokens = raw.choices[0].logprobs.content
        assert [token.token for token in tokens] == [token["token"] for token in expected["content"]]
        assert len(tokens[0].top_logprobs) == 2
    else:
        pieces = [choice.get("logprobs") for chunk in raw for choice in chunk["choices"]]
        tokens = [token["token"] for piece in pieces if piece for token in piece["content"]]
        assert tokens == [token["token"] for token in expected["content"]]


def test_members_that_only_vllm_knows_reach_it(known: dict[str, Speaker]) -> None:
    told = known["chat"].ask("openai", HELLO.with_(extra={"min_p": 0.5, "return_token_ids": True}))
    assert len(told.raw.to_dict()["choices"][0]["token_ids"]) == 24


@in_each_form
@pytest.mark.parametrize(
    ("asked", "model", "kind", "words"),
    [
        (HELLO, "openai/nobody", openai.NotFoundError, "does not exist"),
        (TOO_LONG, "openai", openai.BadRequestError, "maximum context length"),
        (HELLO.with_(temperature=1.9, extra={"top_p": 7}), "openai", openai.BadRequestError, "top_p"),
        (HELLO, "anthropic/nobody", openai.NotFoundError, "does not exist"),
        (TOO_LONG, "anthropic", openai.BadRequestError, "maximum context length"),
    ],
)
def test_its_errors_reach_openai_s_client(
    known: dict[str, Speaker], form: str, asked: Question, model: str, kind: type[openai.APIStatusError], words: str
) -> None:
    with pytest.raises(kind, match=words) as caught:
        tell(known["chat"], form, model, asked)
    body: Any = caught.value.body
    assert body["message"]
    assert isinstance(body["type"], str)


@in_each_form
@pytest.mark.parametrize(
    ("asked", "model", "kind", "words"),
    [
        (HELLO, "anthropic/nobody", anthropic.NotFoundError, "does not exist"),
        (TOO_LONG, "anthropic", anthropic.BadRequestError, "maximum context length"),
        (HELLO, "openai/nobody", anthropic.NotFoundError, "does not exist"),
        (TOO_LONG, "openai", anthropic.BadRequestError, "maximum context length"),
    ],
)
def test_its_errors_reach_anthropic_s_client(
    known: dict[str, Speaker], form: str, asked: Question, model: str, kind: type[anthropic.APIStatusError], words: str
) -> None:
    with pytest.raises(kind, match=words) as caught:
        tell(known["messages"], form, model, asked)
    body: Any = caught.value.body
    assert body["type"] == "error"
    assert body["error"].keys() >= {"type", "message"}


def test_an_error_code_that_is_a_number_breaks_no_sdk(known: dict[str, Speaker]) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        known["chat"].ask("openai", TOO_LONG)
    assert caught.value.status_code == 400
    assert caught.value.code in {400, "400", None}


def test_tokens_are_counted_by_vllm(known: dict[str, Speaker]) -> None:
    speaker = known["messages"]
    assert isinstance(speaker, Messages)
    counted = speaker.client.messages.count_tokens(model="anthropic", messages=[{"role": "user", "content": "Hello"}])
    assert counted.input_tokens == speaker.ask("anthropic", HELLO).tokens[0]


def test_its_models_are_listed(known: dict[str, Speaker]) -> None:
    speaker = known["chat"]
    assert isinstance(speaker, Chat)
    assert {model.id for model in speaker.client.models.list()} >= set(WIRES)


def test_leaving_a_stream_ends_vllm_s_work(known: dict[str, Speaker], vllm: str) -> None:
    speaker = known["chat"]
    assert isinstance(speaker, Chat)
    body = speaker.body("openai", question("Long", temperature=0, max_tokens=CONTEXT - 60))
    with speaker.client.chat.completions.create(**body, stream=True) as stream:
        next(iter(stream))
    assert until(lambda: _running(vllm) == 0)


def _running(vllm: str) -> float:
    """How many requests vLLM is answering."""
    lines = httpx.get(f"{vllm}/metrics", timeout=5).text.splitlines()
    return sum(float(line.rpartition(" ")[2]) for line in lines if line.startswith("vllm:num_requests_running"))
