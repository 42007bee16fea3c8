"""Canonical answers reach OpenAI's clients whole."""

from __future__ import annotations

import json
from typing import Any

from synapse.llm.v1 import content_pb2, generation_pb2, request_pb2
from synapse_gateway.dialect import Asked, Stamp
from synapse_gateway.openai import response
from tests.support.cache_double import answer

MISS = Stamp(now=1_800_000_000, fresh=False)
ASKED = Asked(request_pb2.GenerationRequest(), stream=False)
HIT = Stamp(now=1_800_000_000, fresh=True)


def chat(generation: generation_pb2.Generation, stamp: Stamp = MISS) -> Any:
    return json.loads(response.chat(generation, ASKED, stamp))


def message(**fields: Any) -> Any:
    choice = generation_pb2.Choice(finish_reason=generation_pb2.FINISH_REASON_STOP, **fields)
    return chat(generation_pb2.Generation(model="m", choices=[choice]))["choices"][0]["message"]


def test_a_plain_answer_has_openais_form() -> None:
    assert chat(answer("Paris.")) == {
        "id": "chatcmpl-upstream",
        "object": "chat.completion",
        "created": 1_700_000_000,
        "model": "small",
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": "Paris.", "refusal": None},
                "logprobs": None,
                "finish_reason": "stop",
            }
        ],
        "usage": {"prompt_tokens": 9, "completion_tokens": 3, "total_tokens": 12},
        "system_fingerprint": "fp_1",
    }


def test_a_hit_has_an_id_and_a_time_of_its_own() -> None:
    first, second = chat(answer(), HIT), chat(answer(), HIT)
    assert first["id"].startswith("chatcmpl-")
    assert len({first["id"], second["id"], "chatcmpl-upstream"}) == 3
    assert first["created"] == HIT.now


def test_tool_calls_keep_their_arguments_byte_for_byte() -> None:
    call = content_pb2.ToolCall(
        id="c1", type="function", name="f", arguments='{"a": 1', extra_json='{"function":{"x":1},"index":0}'
    )
    made = message(tool_calls=[call])
    assert made["content"] is None
    assert made["tool_calls"] == [
        {"id": "c1", "type": "function", "function": {"name": "f", "arguments": '{"a": 1', "x": 1}, "index": 0}
    ]


def test_thinking_goes_out_under_the_name_it_came_by() -> None:
    for name in ("reasoning_content", "reasoning"):
        made = message(content="4", reasoning=generation_pb2.ReasoningText(text="2+2", field=name))
        assert made[name] == "2+2"


def test_signed_thinking_is_shown_as_text() -> None:
    blocks = [content_pb2.Thinking(text="2+"), content_pb2.Thinking(text="2", signature="s")]
    assert message(content="4", thinking=blocks)["reasoning_content"] == "2+2"


def test_a_refusal_and_unknown_members_are_kept() -> None:
    made = message(refusal="No.", message_extra_json='{"annotations":[],"big":123456789012345678901234567890}')
    assert made["refusal"] == "No."
    assert made["annotations"] == []
    assert made["big"] == 123456789012345678901234567890


def test_logprobs_are_kept() -> None:
    top = generation_pb2.TokenLogprob(token="a", logprob=-0.1, token_bytes=b"a")
    token = generation_pb2.TokenLogprob(token="a", logprob=-0.1, token_bytes=b"a", top=[top], extra_json='{"id":7}')
    choice = generation_pb2.Choice(content="a", logprobs=generation_pb2.Logprobs(content=[token]))
    made = chat(generation_pb2.Generation(choices=[choice]))["choices"][0]["logprobs"]
    spelled = {"token": "a", "logprob": -0.1, "bytes": [97]}
    assert made == {"content": [{**spelled, "top_logprobs": [spelled], "id": 7}], "refusal": None}


def test_the_details_of_usage_are_kept() -> None:
    given = answer()
    given.usage.cache_read_tokens = 5
    given.usage.extra_json = '{"completion_tokens_details":{"reasoning_tokens":2,"audio_tokens":0}}'
    made = chat(given)["usage"]
    assert made["prompt_tokens_details"] == {"cached_tokens": 5}
    assert made["completion_tokens_details"] == {"reasoning_tokens": 2, "audio_tokens": 0}


def test_other_reasons_keep_the_providers_word() -> None:
    choice = generation_pb2.Choice(finish_reason=generation_pb2.FINISH_REASON_OTHER, finish_detail="pause_turn")
    assert chat(generation_pb2.Generation(choices=[choice]))["choices"][0]["finish_reason"] == "pause_turn"


def test_members_of_answer_and_choice_that_nobody_knows_are_kept() -> None:
    given = answer()
    given.extra_json = '{"timings":{"ms":1}}'
    given.choices[0].extra_json = '{"stop_reason":null}'
    made = chat(given)
    assert made["timings"] == {"ms": 1}
    assert made["choices"][0]["stop_reason"] is None


def test_a_completion_has_openais_legacy_form() -> None:
    given = answer(" is Paris")
    given.choices[0].logprobs.legacy_json = '{"tokens":[" is"],"text_offset":[0]}'
    made = json.loads(response.completion(given, ASKED, HIT))
    assert made["object"] == "text_completion"
    assert made["id"].startswith("cmpl-")
    assert made["choices"] == [
        {
            "text": " is Paris",
            "index": 0,
            "logprobs": {"tokens": [" is"], "text_offset": [0]},
            "finish_reason": "stop",
        }
    ]


def test_metadata_is_there_only_when_asked_for() -> None:
    assert "synapse_metadata" not in chat(answer())
    told = Stamp(now=1, fresh=True, metadata={"cache_hit": True})
    assert chat(answer(), told)["synapse_metadata"] == {"cache_hit": True}
