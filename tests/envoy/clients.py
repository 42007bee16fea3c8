"""Clients of the wire that bring a key: gRPC as a program has it, REST as the protos annotate it."""

from __future__ import annotations

import json
from types import TracebackType
from typing import Any, Self

import grpc
import httpx

from synapse.cache.v1 import analytics_pb2, cache_pb2, cache_pb2_grpc, outcome_pb2
from synapse.llm.v1 import request_pb2

QUESTION = "What is the capital of France?"
GENERATE, STREAM = "/api/v1/generate", "/api/v1/generate:stream"


class GrpcClient:
    """Asks CacheService at `address` with a key, which may be empty, in one namespace."""

    def __init__(self, address: str, key: str, namespace: str) -> None:
        self.channel = grpc.insecure_channel(address)
        self.stub: Any = cache_pb2_grpc.CacheServiceStub(self.channel)
        self._control = outcome_pb2.CacheControl(namespace=namespace)
        self._key = [("authorization", f"Bearer {key}")] if key else []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self.channel.close()

    def options(self, *headers: tuple[str, str], timeout: float = 20) -> dict[str, Any]:
        """Key, further headers and deadline of a call."""
        return {"metadata": [*self._key, *headers], "timeout": timeout}

    def generate(
        self, text: str = QUESTION, *headers: tuple[str, str], model: str = "echo"
    ) -> cache_pb2.GenerateResponse:
        """A whole answer."""
        request = cache_pb2.GenerateRequest(request=_request(text, model), control=self._control)
        reply: cache_pb2.GenerateResponse = self.stub.Generate(request, **self.options(*headers))
        return reply

    def log(self, request_id: str) -> analytics_pb2.RequestLog:
        """What the cache wrote down of a request."""
        request = analytics_pb2.GetRequestLogRequest(id=request_id)
        found: analytics_pb2.RequestLog = self.stub.GetRequestLog(request, **self.options()).log
        return found

    def stream(self, text: str = QUESTION, *, model: str = "echo") -> Any:
        """A streamed answer, as gRPC's own iterator of messages."""
        request = cache_pb2.StreamGenerateRequest(request=_request(text, model), control=self._control)
        return self.stub.StreamGenerate(request, **self.options())


def _request(text: str, model: str) -> request_pb2.GenerationRequest:
    request = request_pb2.GenerationRequest(model=model, kind=request_pb2.GENERATION_KIND_CHAT)
    request.messages.add(role="user", text=text)
    return request


def text_of(messages: list[cache_pb2.StreamGenerateResponse]) -> str:
    """The first choice's text of a streamed answer."""
    return "".join(delta.content for message in messages for event in message.events for delta in event.deltas)


def question(namespace: str, text: str = QUESTION, model: str = "echo") -> dict[str, Any]:
    """A question in JSON."""
    asked = {"model": model, "kind": "GENERATION_KIND_CHAT", "messages": [{"role": "user", "text": text}]}
    return {"request": asked, "control": {"namespace": namespace}}


def events_of(reply: httpx.Response) -> list[dict[str, Any]]:
    """The messages of a stream over REST."""
    return [json.loads(line.removeprefix("data: ")) for line in reply.text.splitlines() if line]


def text_of_events(events: list[dict[str, Any]]) -> str:
    """The first choice's text of a stream over REST."""
    deltas = (delta for message in events for event in message["events"] for delta in event["deltas"])
    return "".join(delta.get("content", "") for delta in deltas)
