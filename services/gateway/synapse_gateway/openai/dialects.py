"""OpenAI's generating endpoints as dialects."""

from __future__ import annotations

from synapse_gateway.dialect import Dialect
from synapse_gateway.openai.request import read_chat, read_completion
from synapse_gateway.openai.response import chat, completion
from synapse_gateway.openai.stream import PING, ChatChunks, CompletionChunks

CHAT = Dialect("chat", read_chat, chat, ChatChunks, PING)
COMPLETIONS = Dialect("completions", read_completion, completion, CompletionChunks, PING)
