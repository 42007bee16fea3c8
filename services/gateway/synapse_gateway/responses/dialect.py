"""The responses endpoints: the dialect of the generating one, and how a question is read whose tokens are counted."""

from __future__ import annotations

from collections.abc import Mapping

from synapse.llm.v1 import request_pb2
from synapse_gateway.dialect import Dialect
from synapse_gateway.responses.answer import whole
from synapse_gateway.responses.request import read_response
from synapse_gateway.responses.stream import PING, ResponseEvents

RESPONSES = Dialect("responses", read_response, whole, ResponseEvents, PING)
INPUT_TOKENS = {"object": "response.input_tokens"}
"""What the number of a question's tokens is told with."""


def read_input_tokens(raw: bytes, headers: Mapping[bytes, bytes]) -> request_pb2.GenerationRequest:
    """The question in the body of a request for its tokens; raises Problem 400."""
    return read_response(raw, headers).request
