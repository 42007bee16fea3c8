"""What can go wrong while embedding, without a word of the wire.

EmbedError
├── BadRequest         the texts or the options are wrong; `reason` says which rule
│   └── TextTooLong    a text is longer than the window and may not be cut
├── UnknownModel       no such model here
├── Overloaded         the queue is full, ours or the backend's; try again soon
├── TooSlow            no answer in time
├── BackendMisfit      the backend is not what the settings say
├── EncoderFailed      the model did not answer, or with something that is no answer
└── EncoderDown        the backend of the model is not there, or not asked because it failed lately
    └── ModelChanged   another model answers than the one that the vectors are said to come from

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
    """The text at `index` is longer than the model's window and may not, or cannot, be cut."""

    def __init__(self, index: int, max_tokens: int, why: str = "truncate is false") -> None:
        message = f"input {index} is longer than the model's {max_tokens} tokens and {why}"
        super().__init__(message, reason="TEXT_TOO_LONG")
        self.index = index
        self.max_tokens = max_tokens
        self.why = why

    def at(self, index: int) -> TextTooLong:
        """The same of the text at another place."""
        return TextTooLong(index, self.max_tokens, self.why)


class UnknownModel(EmbedError):
    """There is no such model here."""


class Overloaded(EmbedError):
    """The queue is full."""

    def __init__(self, message: str, *, retry_after_seconds: float, reason: str = "EMBED_QUEUE_FULL") -> None:
        super().__init__(message, reason=reason)
        self.retry_after_seconds = retry_after_seconds


class TooSlow(EmbedError):
    """The answer did not come in time."""


class EncoderFailed(EmbedError):
    """The model did not answer, or with something that is no answer."""


class BackendMisfit(EmbedError):
    """The backend is not what the settings say."""

    def __init__(self, message: str) -> None:
        super().__init__(message, reason="EMBED_BACKEND_MISFIT")


class EncoderDown(EmbedError):
    """The backend of the model is not there, or not asked because it failed lately."""

    def __init__(
        self, message: str, *, reason: str = "EMBED_BACKEND_DOWN", retry_after_seconds: float | None = None
    ) -> None:
        super().__init__(message, reason=reason)
        self.retry_after_seconds = retry_after_seconds


class ModelChanged(EncoderDown):
    """Another model answers than the one that the vectors are said to come from."""

    def __init__(self, was: str, now: str) -> None:
        super().__init__(f"the backend's model changed from {was} to {now}", reason="MODEL_CHANGED")


class ModelFileError(OSError):
    """The model's files are missing or corrupt; the message says what to run."""
