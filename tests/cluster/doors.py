"""Envoy's door of a release: gRPC clients that know nothing but its address and the Synapse key."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import grpc

from synapse.cache.v1 import cache_pb2, cache_pb2_grpc, outcome_pb2
from synapse.llm.v1 import request_pb2
from tests.cluster.load import Load
from tests.cluster.release import Release
from tests.e2e.upstream import SLOW_WORDS, echo

CALL_SECONDS = 60.0
HIT_SECONDS = 10.0
_PAUSE_SECONDS = 0.05


class Door:
    """CacheService behind Envoy, asked in one namespace of the cache."""

    def __init__(self, channel: grpc.Channel, key: str, namespace: str) -> None:
        self._stub: Any = cache_pb2_grpc.CacheServiceStub(channel)
        self._options: Any = {"metadata": [("authorization", f"Bearer {key}")], "timeout": CALL_SECONDS}
        self._namespace = namespace

    def generate(self, text: str) -> cache_pb2.GenerateResponse:
        """A whole answer of the model that says the question back."""
        control = outcome_pb2.CacheControl(namespace=self._namespace)
        request = cache_pb2.GenerateRequest(request=_question(text, "echo"), control=control)
        reply: cache_pb2.GenerateResponse = self._stub.Generate(request, **self._options)
        return reply

    def generate_until_hit(self, text: str) -> cache_pb2.GenerateResponse:
        """The same again and again until it is a hit, at whichever replica; the last reply when that takes too long."""
        deadline = time.monotonic() + HIT_SECONDS
        while True:
            reply = self.generate(text)
            if reply.outcome.status == outcome_pb2.CACHE_STATUS_HIT or time.monotonic() > deadline:
                return reply

    def is_open(self) -> bool:
        """Whether somebody behind it answers by now."""
        try:
            self.generate("Is anybody behind the door?")
        except grpc.RpcError as error:
            if error.code() != grpc.StatusCode.UNAVAILABLE:
                raise
            return False
        return True

    def stream(self, text: str) -> list[cache_pb2.StreamGenerateResponse]:
        """The steps of an answer that takes seconds, past the cache."""
        control = outcome_pb2.CacheControl(namespace=self._namespace, skip=True)
        request = cache_pb2.StreamGenerateRequest(request=_question(text, "slow"), control=control)
        return list(self._stub.StreamGenerate(request, **self._options))


@contextmanager
def opened(release: Release, namespace: str, *, key: str | None = None) -> Iterator[Door]:
    """The door, through a connection of its own."""
    address = release.cluster.forward(f"svc/{release.full}-envoy", 50050)
    with grpc.insecure_channel(address, options=[("grpc.use_local_subchannel_pool", 1)]) as channel:
        yield Door(channel, release.key if key is None else key, namespace)


def asking(release: Release, namespace: str) -> tuple[Callable[[Load], None], ...]:
    """Loads on the door: whole answers and streams."""

    def whole(load: Load) -> None:
        with opened(release, namespace) as door:
            turn = 0
            while not load.over.wait(_PAUSE_SECONDS):
                turn += 1
                load.note("whole gRPC", _trouble_of_whole(door, f"Which is number {turn % 20}?"))

    def streamed(load: Load) -> None:
        with opened(release, namespace) as door:
            while not load.over.wait(_PAUSE_SECONDS):
                load.note("streamed gRPC", _trouble_of_stream(door))

    return whole, streamed


def text_of(steps: list[cache_pb2.StreamGenerateResponse]) -> str:
    """The text of a streamed answer."""
    return "".join(delta.content for step in steps for event in step.events for delta in event.deltas)


def _trouble_of_whole(door: Door, text: str) -> str:
    try:
        reply = door.generate(text)
    except grpc.RpcError as error:
        return str(error)
    said = reply.generation.choices[0].content
    return "" if said == echo(text) else f"wrong answer to {text!r}: {said!r}"


def _trouble_of_stream(door: Door) -> str:
    try:
        said = text_of(door.stream("Count."))
    except grpc.RpcError as error:
        return str(error)
    return (
        "" if said == " ".join(f"w{number}" for number in range(SLOW_WORDS)) else f"a stream that ends {said[-80:]!r}"
    )


def _question(text: str, model: str) -> request_pb2.GenerationRequest:
    request = request_pb2.GenerationRequest(
        model=model, kind=request_pb2.GENERATION_KIND_CHAT, protocol=request_pb2.PROTOCOL_OPENAI
    )
    request.messages.add(role="user", text=text)
    return request
