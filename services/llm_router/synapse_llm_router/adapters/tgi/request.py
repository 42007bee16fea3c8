"""Canonical questions as requests to TGI's /generate and /generate_stream.

| TGI member                        | canonical place                                                            |
|-----------------------------------|----------------------------------------------------------------------------|
| `inputs`                          | `messages` by a template of prompts.py, or `prompt.texts`, one             |
| `parameters.max_new_tokens`       | `sampling.max_completion_tokens`, else `.max_tokens`                       |
| `.do_sample` `.temperature`       | `sampling.temperature`: 0 is `do_sample` false and no drawing by the next  |
| `.top_p` `.top_k`                 | `sampling`, same names; 1 and numbers up to 0, which change nothing, not   |
| `.seed` `.frequency_penalty`      | `sampling`, same names                                                     |
| `.best_of`                        | `sampling.best_of`, for whole answers                                      |
| `.stop`                           | `sampling.stop`, and the ends of the template                              |
| `.top_n_tokens`                   | `sampling.top_logprobs`                                                    |
| `.grammar` of type json           | the `schema` of a `response_format` json_schema                            |
| `.details`                        | always true: they tell why the answer ended, and its tokens                |

Refused: what prompts.py refuses, several choices, logit_bias, JSON without a schema, wishes about thinking. Left out:
`presence_penalty`, `min_p`, what is told of the caller, other extra members.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from synapse_llm_router.adapters import refusing
from synapse_llm_router.adapters.members_json import JsonObject, schema_in
from synapse_llm_router.adapters.prompts import Prompt, is_completion
from synapse_llm_router.adapters.target import Target

if TYPE_CHECKING:
    from synapse.llm.v1.request_pb2 import GenerationRequest, ResponseFormat, Sampling

_PLAIN = frozenset({"seed", "frequency_penalty"})
_KNOWN = frozenset(
    {"temperature", "top_p", "top_k", "stop", "max_tokens", "max_completion_tokens", "logprobs", "top_logprobs"}
)


def request_body(request: GenerationRequest, prompt: Prompt, target: Target, *, stream: bool) -> JsonObject:
    """The HTTP body that asks `request` by its `prompt`; raises InvalidArgument for what TGI cannot do."""
    refusing.require_text_only(target, request)
    if request.reasoning.enabled or request.reasoning.effort not in {"", "none"}:
        raise target.lacks_parameter("reasoning", "its native wire has no thinking of its own")
    sampling = request.sampling
    refusing.require_known(target, sampling, _KNOWN if stream else _KNOWN | {"best_of"})
    parameters: JsonObject = {"details": True}
    for field, value in sampling.ListFields():
        if field.name in _PLAIN or (field.name == "best_of" and not stream):
            parameters[field.name] = value
    _put_drawing(parameters, sampling)
    if stops := (*sampling.stop, *prompt.stops):
        parameters["stop"] = list(stops)
    if sampling.HasField("max_completion_tokens"):
        parameters["max_new_tokens"] = sampling.max_completion_tokens
    elif sampling.HasField("max_tokens"):
        parameters["max_new_tokens"] = sampling.max_tokens
    if sampling.top_logprobs:
        parameters["top_n_tokens"] = sampling.top_logprobs
    _put_grammar(parameters, request.response_format, target)
    return {"inputs": prompt.text, "parameters": parameters}


def asks_probabilities(request: GenerationRequest) -> bool:
    """Whether the answer shall tell the probabilities of its tokens."""
    sampling = request.sampling
    return sampling.logprobs or (is_completion(request) and sampling.HasField("top_logprobs"))


def _put_drawing(parameters: JsonObject, sampling: Sampling) -> None:
    if sampling.HasField("temperature"):
        parameters["do_sample"] = sampling.temperature > 0
        if sampling.temperature <= 0:
            return
        parameters["temperature"] = sampling.temperature
    if sampling.HasField("top_p") and sampling.top_p < 1:
        parameters["top_p"] = sampling.top_p
    if sampling.top_k > 0:
        parameters["top_k"] = sampling.top_k


def _put_grammar(parameters: JsonObject, form: ResponseFormat, target: Target) -> None:
    if form.type == "json_schema":
        parameters["grammar"] = {"type": "json", "value": schema_in(form.json_schema_json)}
    elif form.type not in {"", "text"}:
        raise target.lacks_parameter("response_format", f"it knows no type {form.type!r}")
