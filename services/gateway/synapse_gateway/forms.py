"""Which protocol's form the reply to a request has: that of its path, or of its headers where several share a path."""

from __future__ import annotations

from collections.abc import Mapping

from synapse_gateway.anthropic.failure import AnthropicForm
from synapse_gateway.dialect import Form
from synapse_gateway.openai.failure import OpenAIForm

_OPENAI, _ANTHROPIC = OpenAIForm(), AnthropicForm()
_ANTHROPIC_PATHS = ("/v1/messages", "/v1/v1/")
_OPENAI_PATHS = (
    "/v1/chat/",
    "/v1/completions",
    "/v1/responses",
    "/v1/embeddings",
    "/v1/rerank",
    "/v2/",
    "/api/",
    "/admin/",
)


def form_of(path: str, headers: Mapping[bytes, bytes]) -> Form:
    """The form of every reply to a request, its errors included."""
    if path.startswith(_OPENAI_PATHS):
        return _OPENAI
    return _ANTHROPIC if path.startswith(_ANTHROPIC_PATHS) or speaks_anthropic(headers) else _OPENAI


def speaks_anthropic(headers: Mapping[bytes, bytes]) -> bool:
    """Whether a client's headers are those of an Anthropic SDK."""
    return b"anthropic-version" in headers
