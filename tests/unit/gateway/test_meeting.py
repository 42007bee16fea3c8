"""Which questions meet at one replica of the cache."""

from __future__ import annotations

from synapse.cache.v1.cache_pb2 import GenerateRequest, StreamGenerateRequest
from synapse.llm.v1.content_pb2 import Message
from synapse.llm.v1.request_pb2 import CallerInfo, GenerationRequest
from synapse_gateway.adapters.meeting import meeting_key


def chat(text: str, model: str = "m") -> GenerationRequest:
    return GenerationRequest(model=model, messages=[Message(role="user", text=text)])


def test_equal_questions_meet_whole_or_streamed_and_whoever_asks() -> None:
    asked = chat("What is the capital of France?")
    again = GenerationRequest()
    again.CopyFrom(asked)
    again.caller.CopyFrom(CallerInfo(user="somebody"))
    assert meeting_key(GenerateRequest(request=asked)) == meeting_key(StreamGenerateRequest(request=again))


def test_other_questions_and_models_go_their_own_way() -> None:
    questions = [chat("a", model="m"), chat("b", model="m"), chat("a", model="n")]
    assert len({meeting_key(GenerateRequest(request=one)) for one in questions}) == 3
