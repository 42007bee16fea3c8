"""What a question asks of the drawing is in TGI's parameters, and reads back from them."""

from __future__ import annotations

from typing import Any

import orjson
from hypothesis import given
from hypothesis import strategies as st

from synapse.llm.v1.request_pb2 import GENERATION_KIND_COMPLETION, GenerationRequest
from synapse_llm_router.adapters.prompts import Prompt
from synapse_llm_router.adapters.target import Target
from synapse_llm_router.adapters.tgi.request import request_body
from tests.unit.llm_router.openai.requests import texts

RENAMED = {"max_tokens": "max_new_tokens", "top_logprobs": "top_n_tokens"}
fields = st.fixed_dictionaries(
    {},
    optional={
        "temperature": st.floats(0.1, 2),
        "top_p": st.floats(0.1, 0.9),
        "top_k": st.integers(1, 100),
        "seed": st.integers(0, 2**63 - 1),
        "frequency_penalty": st.floats(-2, 2),
        "best_of": st.integers(1, 4),
        "max_tokens": st.integers(1, 2**31),
        "top_logprobs": st.integers(1, 5),
        "stop": st.lists(texts, min_size=1, max_size=3),
    },
)


def body_of(request: GenerationRequest, prompt: Prompt, *, stream: bool = False) -> Any:
    return request_body(request, prompt, Target("b", own=False), stream=stream)


@given(fields, texts, st.sampled_from([(), ("<end>",)]))
def test_what_is_mapped_comes_back(asked: dict[str, Any], text: str, ends: tuple[str, ...]) -> None:
    request = GenerationRequest(kind=GENERATION_KIND_COMPLETION)
    for name, value in asked.items():
        if name == "stop":
            request.sampling.stop.extend(value)
        else:
            setattr(request.sampling, name, value)
    body = body_of(request, Prompt(text, ends))
    parameters = body["parameters"]
    assert body["inputs"] == text
    assert parameters.pop("details") is True
    assert parameters.pop("do_sample", None) == (True if "temperature" in asked else None)
    assert parameters.pop("stop", []) == [*asked.pop("stop", []), *ends]
    assert parameters == {RENAMED.get(name, name): value for name, value in asked.items()}


def test_the_best_of_several_is_for_whole_answers() -> None:
    request = GenerationRequest(kind=GENERATION_KIND_COMPLETION)
    request.sampling.best_of = 1
    assert "best_of" not in body_of(request, Prompt("a"), stream=True)["parameters"]


def test_members_that_only_tune_are_left_out() -> None:
    request = GenerationRequest()
    request.sampling.presence_penalty, request.sampling.min_p = 1.5, 0.1
    request.sampling.max_completion_tokens, request.sampling.max_tokens = 5, 9
    request.reasoning.effort = "none"
    request.response_format.type = "text"
    body = body_of(request, Prompt("a"))
    assert orjson.loads(orjson.dumps(body["parameters"])) == {"details": True, "max_new_tokens": 5}
