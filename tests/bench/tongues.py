"""The protocols that the driver speaks: those of the mesh's clients, and those of the upstream for direct runs."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar


class Tongue(ABC):
    """One protocol: its path, its questions, and what stands right before the text of an answer."""

    path: ClassVar[str]
    stream_path: ClassVar[str] = ""
    """Where streams are asked for, if elsewhere."""
    opens: ClassVar[bytes]
    stream_opens: ClassVar[bytes] = b""
    """What stands before the text of a stream, if something else."""

    @abstractmethod
    def body(self, model: str, text: str, *, stream: bool) -> dict[str, object]:
        """The JSON of a question."""

    def path_of(self, *, stream: bool) -> str:
        """Where to ask."""
        return (stream and self.stream_path) or self.path

    def opens_of(self, *, stream: bool) -> bytes:
        """What stands right before the text."""
        return (stream and self.stream_opens) or self.opens


class Chat(Tongue):
    """OpenAI's chat completions."""

    path = "/v1/chat/completions"
    opens = b'"content":"'

    def body(self, model: str, text: str, *, stream: bool) -> dict[str, object]:
        return {"model": model, "messages": [_message(text)], **({"stream": True} if stream else {})}


class Messages(Tongue):
    """Anthropic's Messages."""

    path = "/v1/messages"
    opens = b'"text":"'

    def body(self, model: str, text: str, *, stream: bool) -> dict[str, object]:
        body = {"model": model, "max_tokens": 1024, "messages": [_message(text)]}
        return {**body, **({"stream": True} if stream else {})}


class Responses(Tongue):
    """OpenAI's Responses."""

    path = "/v1/responses"
    opens = b'"text":"'
    stream_opens = b'"delta":"'

    def body(self, model: str, text: str, *, stream: bool) -> dict[str, object]:
        return {"model": model, "input": text, "store": False, **({"stream": True} if stream else {})}


class Ollama(Tongue):
    """Ollama's chat."""

    path = "/api/chat"
    opens = b'"content":"'

    def body(self, model: str, text: str, *, stream: bool) -> dict[str, object]:
        return {"model": model, "messages": [_message(text)], "stream": stream}


class Tgi(Tongue):
    """TGI's own wire."""

    path = "/generate"
    stream_path = "/generate_stream"
    opens = b'"generated_text":"'
    stream_opens = b'"text":"'

    def body(self, model: str, text: str, *, stream: bool) -> dict[str, object]:  # it serves one model
        return {"inputs": text, "parameters": {"details": True}}


CHAT = Chat()
CLIENT_TONGUES: dict[str, Tongue] = {"chat": CHAT, "messages": Messages(), "responses": Responses()}
"""What clients of the mesh speak."""
WIRES: dict[str, Tongue] = {"openai": CHAT, "anthropic": Messages(), "ollama": Ollama(), "tgi": Tgi()}
"""What the upstream speaks."""


def _message(text: str) -> dict[str, str]:
    return {"role": "user", "content": text}
