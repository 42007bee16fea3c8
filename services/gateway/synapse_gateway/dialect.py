"""The vocabulary of every generating protocol: what is asked, how an answer is written, how errors look.

`openai/`, `anthropic/` and `responses/` speak it; `generate.py` and the edge know nothing else of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, TypeAlias

from synapse.llm.v1 import generation_pb2, request_pb2

if TYPE_CHECKING:
    from synapse_gateway.limits import Level
    from synapse_gateway.problems import Headers, Problem

Events: TypeAlias = Iterable[generation_pb2.GenerationEvent]


@dataclass(frozen=True, slots=True)
class Asked:
    """A request as the edge needs it: the canonical form, and how the answer shall be written."""

    request: request_pb2.GenerationRequest
    stream: bool
    tell_outcome: bool = False
    """Whether the body shall carry `synapse_metadata`."""
    include_usage: bool = False
    """Whether a stream shall tell its usage, in protocols where that is a choice."""
    echo: Mapping[str, Any] | None = None
    """What the dialect remembers of the request because its answers repeat it."""


@dataclass(frozen=True, slots=True)
class Stamp:
    """What an answer shows about itself.

    `fresh` answers, those from the cache, go out under a new id and `now` (seconds since the epoch); `metadata` is
    `synapse_metadata` where it was asked for.
    """

    now: int
    fresh: bool
    metadata: dict[str, Any] | None = None


class Writer(Protocol):
    """Writes the events of one streamed answer."""

    @property
    def total_tokens(self) -> int:
        """What the answer cost, as far as it is known."""
        ...

    def render(self, events: Events) -> bytes:
        """The events as one piece of the body; empty when they show nothing."""
        ...

    def finish(self) -> bytes:
        """The end of a complete answer."""
        ...

    def failure(self, problem: Problem) -> bytes:
        """The end of an answer that failed after its status had gone out."""
        ...


class Form(Protocol):
    """How a protocol writes what all its replies have in common."""

    limits: ClassVar[bytes]
    """How the names of headers about limits begin."""

    def headers(self, request_id: str, seconds: float, levels: Sequence[Level], *, now: float) -> Headers:
        """The headers of every reply: its id, how long it took, the caller's limits; `now` since the epoch."""
        ...

    def error(self, problem: Problem, request_id: str) -> tuple[bytes, bytes]:
        """The body of an error reply and its content type; a backend's own in this protocol as it came."""
        ...


@dataclass(frozen=True, slots=True)
class Dialect:
    """How one generating endpoint is read and written."""

    route: str
    """Its name in the metrics."""
    read: Callable[[bytes, Mapping[bytes, bytes]], Asked]
    """A request's body and headers; raises Problem 400."""
    whole: Callable[[generation_pb2.Generation, Asked, Stamp], bytes]
    """The body of a complete answer."""
    writer: Callable[[Asked, Stamp], Writer]
    """The writer of a streamed answer."""
    ping: bytes
    """What keeps a silent stream alive."""


def is_own(protocol: request_pb2.Protocol.ValueType, mine: request_pb2.Protocol.ValueType) -> bool:
    """Whether an answer's members without a field are those of the protocol `mine`."""
    return protocol in {request_pb2.PROTOCOL_UNSPECIFIED, mine}
