"""What can go wrong while embedding, without a word of the wire.

EmbedError
├── BadRequest         the texts or the options are wrong; `reason` says which rule
│   └── TextTooLong    a text is longer than the window and may not be cut
├── UnknownModel       no such model here
├── Overloaded         the queue is full; try again soon
├── TooSlow            no vectors in time
└── EncoderFailed      the model did not answer

ModelFileError, an OSError, ends the start: the model's files are missing or corrupt.
"""

from __future__ import annotations


class EmbedError(Exception):
    """An error that a caller of the service may see; `reason` is a stable UPPER_SNAKE_CASE word."""

    def __init__(self, message: str, *, reason: str) -> None:
        super().__init__(message)
        self.message = message
        self.reason = reason


class BadRequest(EmbedError):
    """The texts or the options are wrong."""


class TextTooLong(BadRequest):
    """The text at `index` is longer than the model's window and may not be cut."""

    def __init__(self, index: int, max_tokens: int) -> None:
        message = f"input {index} is longer than the model's {max_tokens} tokens and truncate is false"
        super().__init__(message, reason="TEXT_TOO_LONG")
        self.index = index


class UnknownModel(EmbedError):
    """There is no such model here."""


class Overloaded(EmbedError):
    """The queue is full."""

    def __init__(self, message: str, *, retry_after_seconds: float) -> None:
        super().__init__(message, reason="EMBED_QUEUE_FULL")
        self.retry_after_seconds = retry_after_seconds


class TooSlow(EmbedError):
    """The vectors did not come in time."""


class EncoderFailed(EmbedError):
    """The model did not answer."""


class ModelFileError(OSError):
    """The model's files are missing or corrupt; the message says what to run."""
