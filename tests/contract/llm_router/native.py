"""Questions to the adapters of wires that are neither OpenAI's nor Anthropic's, and their answers put together."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from synapse.llm.v1 import generation_pb2 as llm
from synapse.llm.v1.request_pb2 import GENERATION_KIND_COMPLETION, PROTOCOL_OPENAI, GenerationRequest
from synapse_llm_router.ports import Upstream
from tests.contract.llm_router.asking import events, failure

CONTENT = "UNSUPPORTED_CONTENT"
PARAMETER = "UNSUPPORTED_PARAMETER"


def question(text: str = "Hello?") -> GenerationRequest:
    """A chat request of one user message."""
    request = GenerationRequest(model="m", protocol=PROTOCOL_OPENAI)
    request.messages.add(role="user", text=text)
    return request


def completion(text: str = "Once") -> GenerationRequest:
    """A plain completion."""
    request = GenerationRequest(model="m", kind=GENERATION_KIND_COMPLETION, protocol=PROTOCOL_OPENAI)
    request.prompt.texts.append(text)
    return request


def with_tool(mode: int = 0) -> GenerationRequest:
    """A question with one tool."""
    request = question()
    request.tools.add(type="function", name="weather", description="d", parameters_json='{"type":"object"}')
    if mode:
        request.tool_choice.mode = mode  # type: ignore[assignment]  # any of the enum's numbers
    return request


def with_part(kind: str, **members: str) -> GenerationRequest:
    """A question with a part of `kind`."""
    request = question()
    part = getattr(request.messages[0].parts.add(), kind)
    part.SetInParent()
    for name, value in members.items():
        setattr(part, name, value)
    return request


def having(where: str, **members: Any) -> GenerationRequest:
    """A question whose message at `where`, itself if empty, has these fields."""
    request = question()
    target: Any = getattr(request, where) if where else request
    for name, value in members.items():
        setattr(target, name, value)
    return request


@dataclass(frozen=True)
class Streamed:
    """A streamed answer of one choice, put together."""

    text: str
    thoughts: str
    calls: list[llm.ToolCallDelta]
    tokens: list[str]
    last: llm.ChoiceDelta
    usage: llm.Usage | None
    events: list[llm.GenerationEvent]


async def streamed(upstream: Upstream, request: GenerationRequest) -> Streamed:
    """The streamed answer."""
    told = await events(upstream, request)
    deltas = [delta for event in told for delta in event.deltas]
    return Streamed(
        text="".join(delta.content for delta in deltas),
        thoughts="".join(delta.reasoning.text for delta in deltas),
        calls=[call for delta in deltas for call in delta.tool_calls],
        tokens=[token.token for delta in deltas for token in delta.logprobs.content],
        last=deltas[-1],
        usage=next((event.usage for event in told if event.HasField("usage")), None),
        events=told,
    )


async def refused(upstream: Upstream, request: GenerationRequest) -> tuple[str, str]:
    """The reason why a question is refused, whole and streamed alike, and the member that is named."""
    errors = [(await failure(upstream, request, streamed=streamed))[0] for streamed in (False, True)]
    assert {error.code.name for error in errors} == {"INVALID_ARGUMENT"}
    assert {error.metadata["backend"] for error in errors} == {"double"}
    ((reason, field),) = {(error.reason, error.metadata["field"]) for error in errors}
    return reason, field
