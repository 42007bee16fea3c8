"""An estimate of how many tokens a question has, for backends that cannot count."""

from __future__ import annotations

from collections.abc import Iterable

from synapse.llm.v1.content_pb2 import ContentPart, Message
from synapse.llm.v1.request_pb2 import GenerationRequest

_BYTES_A_TOKEN = 4
_TOKENS_A_MESSAGE = 4
_TOKENS_A_TOOL = 8
_TOKENS_A_MEDIUM = 800


def estimated_tokens(request: GenerationRequest) -> int:
    """Tokens of the prompt, roughly: four bytes of UTF-8 are one, a picture or sound is 800."""
    texts = list(request.prompt.texts)
    tokens = sum(len(ids.ids) for ids in request.prompt.token_ids)
    for message in request.messages:
        tokens += _TOKENS_A_MESSAGE + _TOKENS_A_MEDIUM * _media_in(message.parts)
        texts += _texts_of(message)
    for tool in request.tools:
        tokens += _TOKENS_A_TOOL
        texts += (tool.name, tool.description, tool.parameters_json)
    texts.append(request.response_format.json_schema_json)
    return tokens + -(-sum(len(text.encode()) for text in texts) // _BYTES_A_TOKEN)


def _texts_of(message: Message) -> list[str]:
    texts = [message.text, message.name, message.refusal, message.reasoning, *_texts_in(message.parts)]
    for call in message.tool_calls:
        texts += (call.name, call.arguments)
    return texts


def _texts_in(parts: Iterable[ContentPart]) -> list[str]:
    texts: list[str] = []
    for part in parts:
        texts += (part.text, part.refusal, part.thinking.text, part.tool_call.name, part.tool_call.arguments)
        texts += (part.tool_result.text, part.opaque_json)
        texts += _texts_in(part.tool_result.parts)
    return texts


def _media_in(parts: Iterable[ContentPart]) -> int:
    media = 0
    for part in parts:
        media += part.WhichOneof("part") in {"image", "audio", "file", "video"}
        media += _media_in(part.tool_result.parts)
    return media
