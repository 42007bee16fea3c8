"""The exact key and the scope: what changes them, and what does not."""

from __future__ import annotations

import json
import random
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from synapse.llm.v1.request_pb2 import PROTOCOL_ANTHROPIC, PROTOCOL_OPENAI, GenerationRequest
from synapse_cache.adapters.questions import question_of
from tests.support.cache_world import RULES, a_request

Change = Callable[[GenerationRequest], object]

CHANGES: dict[str, Change] = {
    "model": lambda r: setattr(r, "model", "other"),
    "text": lambda r: setattr(r.messages[-1], "text", "What is the capital of Spain?"),
    "letter case": lambda r: setattr(r.messages[-1], "text", "what is the capital of France?"),
    "role": lambda r: setattr(r.messages[-1], "role", "system"),
    "name": lambda r: setattr(r.messages[-1], "name", "ann"),
    "system prompt": lambda r: r.messages.insert(0, r.messages.add(role="system", text="Be brief.")),
    "parts": lambda r: r.messages[-1].parts.add(text="more"),
    "temperature": lambda r: setattr(r.sampling, "temperature", 0.3),
    "temperature zero": lambda r: setattr(r.sampling, "temperature", 0.0),
    "top_p": lambda r: setattr(r.sampling, "top_p", 0.9),
    "top_k": lambda r: setattr(r.sampling, "top_k", 40),
    "min_p": lambda r: setattr(r.sampling, "min_p", 0.1),
    "seed": lambda r: setattr(r.sampling, "seed", 7),
    "stop": lambda r: r.sampling.stop.append("END"),
    "max_tokens": lambda r: setattr(r.sampling, "max_tokens", 5),
    "max_completion_tokens": lambda r: setattr(r.sampling, "max_completion_tokens", 6),
    "presence_penalty": lambda r: setattr(r.sampling, "presence_penalty", 0.5),
    "frequency_penalty": lambda r: setattr(r.sampling, "frequency_penalty", 0.5),
    "logit_bias": lambda r: setattr(r.sampling, "logit_bias_json", '{"50256":-100}'),
    "choices": lambda r: setattr(r.sampling, "choice_count", 2),
    "logprobs": lambda r: setattr(r.sampling, "logprobs", True),
    "top_logprobs": lambda r: setattr(r.sampling, "top_logprobs", 3),
    "tool": lambda r: r.tools.add(type="function", name="f", parameters_json='{"type":"object"}'),
    "tool choice": lambda r: setattr(r.tool_choice, "mode", 3),
    "parallel tool calls": lambda r: setattr(r, "parallel_tool_calls", False),
    "response format": lambda r: setattr(r.response_format, "type", "json_object"),
    "schema": lambda r: setattr(r.response_format, "json_schema_json", '{"name":"x"}'),
    "reasoning": lambda r: setattr(r.reasoning, "effort", "low"),
    "modality": lambda r: r.modalities.append("audio"),
    "unknown member": lambda r: setattr(r, "extra_json", '{"guided_choice":["a","b"]}'),
    "member of a message": lambda r: setattr(r.messages[-1], "extra_json", '{"cache":1}'),
    "image": lambda r: r.messages[-1].parts.add().image.MergeFromString(b"\n\x05img-1"),
    "kind": lambda r: setattr(r, "kind", 2),
    "betas": lambda r: r.betas.append("context-1m"),
}


def key_of(request: GenerationRequest) -> str:
    return question_of(request, RULES).key


@pytest.mark.parametrize("name", CHANGES)
def test_any_change_that_matters_changes_the_key(name: str) -> None:
    changed = a_request()
    CHANGES[name](changed)
    assert key_of(changed) != key_of(a_request())


def test_every_two_changes_give_different_keys() -> None:
    keys = set()
    for change in CHANGES.values():
        changed = a_request()
        change(changed)
        keys.add(key_of(changed))
    assert len(keys) == len(CHANGES)


def test_every_field_of_a_request_has_a_change_above_or_is_named_here() -> None:
    cannot_change_the_answer = {"caller"}
    covered_elsewhere = {"protocol", "prompt", "messages"}
    fields = {field.name for field in GenerationRequest.DESCRIPTOR.fields}
    touched = set()
    for change in CHANGES.values():
        changed = GenerationRequest(model="m")
        changed.messages.add(role="user", text="x")
        change(changed)
        touched |= {field.name for field, _ in changed.ListFields()} - {"model", "messages"}
    assert fields - touched - {"model"} == cannot_change_the_answer | covered_elsewhere


def test_facts_about_the_caller_do_not_change_the_key() -> None:
    request = a_request()
    request.caller.user = "ann"
    request.caller.metadata_json = '{"team":"x"}'
    request.caller.service_tier = "flex"
    assert key_of(request) == key_of(a_request())


def test_the_protocol_counts_only_with_unknown_members() -> None:
    one, other = a_request(), a_request()
    one.protocol, other.protocol = PROTOCOL_OPENAI, PROTOCOL_ANTHROPIC
    assert key_of(one) == key_of(other)
    one.extra_json = other.extra_json = '{"x":1}'
    assert key_of(one) != key_of(other)


def test_the_protocol_counts_with_unknown_members_of_a_part() -> None:
    keys = []
    for protocol in (PROTOCOL_OPENAI, PROTOCOL_ANTHROPIC):
        request = a_request()
        request.protocol = protocol
        request.messages[0].parts.add(text="more", extra_json='{"x":1}')
        keys.append(key_of(request))
    assert keys[0] != keys[1]


def test_the_callers_own_key_is_no_part_of_the_key_and_keeps_calls_apart() -> None:
    request = a_request()
    request.caller.provider_key = "sk-own"
    question = question_of(request, RULES)
    assert question.key == key_of(a_request())
    assert question.credential
    assert "sk-own" not in question.credential
    assert question_of(a_request(), RULES).credential == ""


def test_one_text_part_is_the_same_as_a_bare_text() -> None:
    request = GenerationRequest(model="m")
    request.messages.add(role="user").parts.add(text="Hello", extra_json='{"cache_control":{"type":"ephemeral"}}')
    bare = GenerationRequest(model="m", protocol=PROTOCOL_ANTHROPIC)
    bare.messages.add(role="user", text="Hello")
    assert key_of(request) == key_of(bare)
    assert question_of(request, RULES).scope == question_of(bare, RULES).scope


def test_a_data_url_is_the_same_as_its_data() -> None:
    one, other, third = a_request(), a_request(), a_request()
    one.messages[0].parts.add().image.url = "data:image/png;base64,AAAA"
    for request, kind in ((other, "image/png"), (third, "image/jpeg")):
        image = request.messages[0].parts.add().image
        image.base64_data, image.media_type = "AAAA", kind
    assert key_of(one) == key_of(other) != key_of(third)


def test_arguments_of_a_call_count_by_value() -> None:
    def with_call(arguments: str, content: str | None) -> str:
        request = a_request()
        message = request.messages.add(role="assistant")
        if content is not None:
            message.text = content
        message.tool_calls.add(id="c1", type="function", name="f", arguments=arguments)
        return key_of(request)

    assert with_call('{"a": 1, "b": 2}', None) == with_call('{"b":2,"a":1}', "")
    assert with_call('{"a": 1}', None) != with_call('{"a": 2}', None)


def test_both_names_of_the_limit_of_tokens_mean_the_same() -> None:
    old, new = a_request(max_tokens=5), a_request(max_completion_tokens=5)
    assert key_of(old) == key_of(new)


def test_one_choice_is_the_same_as_none_said() -> None:
    assert key_of(a_request(choice_count=1)) == key_of(a_request())


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=8) | st.floats(-1e6, 1e6),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


def shuffled(value: object, rng: random.Random) -> object:
    if isinstance(value, dict):
        items = list(value.items())
        rng.shuffle(items)
        return {name: shuffled(member, rng) for name, member in items}
    return [shuffled(item, rng) for item in value] if isinstance(value, list) else value


@given(st.dictionaries(st.text(min_size=1, max_size=6), json_values, max_size=5), st.randoms())
def test_member_order_never_changes_the_key(members: dict[str, object], rng: random.Random) -> None:
    one, other = a_request(), a_request()
    for request, value in ((one, members), (other, shuffled(members, rng))):
        text = json.dumps(value)
        request.extra_json = request.messages[0].extra_json = text
        request.tools.add(type="function", name="f", parameters_json=text, extra_json=text)
        request.response_format.json_schema_json = text
    assert key_of(one) == key_of(other)


@given(json_values, json_values)
def test_different_unknown_members_never_share_a_key(one: object, other: object) -> None:
    requests = [a_request(), a_request()]
    for request, value in zip(requests, (one, other), strict=True):
        request.extra_json = json.dumps({"member": value})
    same = json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)
    assert (key_of(requests[0]) == key_of(requests[1])) == same


@given(st.text(min_size=1, max_size=30), st.text(min_size=1, max_size=30))
def test_text_cannot_move_between_fields(left: str, right: str) -> None:
    one = a_request(left + right)
    other = a_request(left)
    other.messages.add(role="user", text=right)
    assert key_of(one) != key_of(other)


def test_the_scope_is_blind_to_the_last_user_text_only() -> None:
    one, other = a_request("What is the capital of France?"), a_request("Tell me a joke")
    assert question_of(one, RULES).scope == question_of(other, RULES).scope
    for name in set(CHANGES) - {"text", "letter case"}:
        changed = a_request()
        CHANGES[name](changed)
        scope = question_of(changed, RULES).scope
        assert scope != question_of(one, RULES).scope, name


def test_the_history_belongs_to_the_scope() -> None:
    scopes = set()
    for history in ("I live in Paris.", "I live in Rome."):
        request = GenerationRequest(model="m")
        request.messages.add(role="user", text=history)
        request.messages.add(role="assistant", text="Noted.")
        request.messages.add(role="user", text="Where do I live?")
        scopes.add(question_of(request, RULES).scope)
    assert len(scopes) == 2


def test_golden_vectors_hold() -> None:
    """A failure here means stored answers are lost: raise keys.VERSION and write the new vectors down."""
    plain = a_request("Hello!", model="Qwen/Qwen2.5-1.5B-Instruct", temperature=0.0)
    rich = a_request("Weather?", temperature=0.5, seed=7, max_tokens=64)
    rich.messages[0].parts.add(text="part")
    rich.tools.add(type="function", name="f", description="d", parameters_json='{"b":[1,2.5],"a":"\u00e9"}')
    rich.extra_json = '{"z":1,"a":{"y":null,"b":true}}'
    questions = [question_of(request, RULES) for request in (a_request(), plain, rich)]
    assert [question.key[:16] for question in questions] == ["a0d04c619ba33e4d", "41ecd87222b1a627", "9b2931230626d2d2"]
    assert [question.scope[:16] for question in questions] == ["f04149acd47ce344", "61d41cb0c5344c18", ""]
