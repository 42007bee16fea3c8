"""Anthropic's generating endpoint as a dialect."""

from __future__ import annotations

from synapse_gateway.anthropic.events import PING
from synapse_gateway.anthropic.request import read_messages
from synapse_gateway.anthropic.response import message
from synapse_gateway.anthropic.stream import MessageWriter
from synapse_gateway.dialect import Dialect

MESSAGES = Dialect("messages", read_messages, message, MessageWriter, PING)
