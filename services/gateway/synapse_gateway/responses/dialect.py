"""The responses endpoint as a dialect."""

from __future__ import annotations

from synapse_gateway.dialect import Dialect
from synapse_gateway.responses.answer import whole
from synapse_gateway.responses.request import read_response
from synapse_gateway.responses.stream import PING, ResponseEvents

RESPONSES = Dialect("responses", read_response, whole, ResponseEvents, PING)
