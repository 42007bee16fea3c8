"""A model's own tokeniser on this machine: texts counted, cut at the window, or turned into ids."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from synapse_embed.model import Tokens
from synapse_runtime.settings import SettingsError

_INLINE_CHARS = 4096
"""Text that is tokenised on the event loop; at most about a millisecond's worth."""
_SHRINK = 0.9
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Fitted:
    """A text that fits the window, its tokens, special ones included, and whether it was longer."""

    text: str
    tokens: int
    truncated: bool


class Tokeniser:
    """The tokeniser of `path` (tokenizer.json), cutting at `max_tokens`; safe to call from several threads."""

    def __init__(self, path: Path, max_tokens: int) -> None:
        from tokenizers import Tokenizer

        try:
            tokeniser: Any = Tokenizer.from_str(path.read_text(encoding="utf-8"))
        except OSError as error:
            raise SettingsError(f"the tokenizer {path} cannot be read: {error.strerror}") from error
        except Exception as error:  # the library raises nothing narrower
            raise SettingsError(f"the tokenizer {path} is no tokenizer.json: {error}") from error
        tokeniser.no_padding()
        tokeniser.enable_truncation(max_tokens)
        self._tokeniser = tokeniser
        self._max_tokens = max_tokens

    async def ids(self, texts: Sequence[str]) -> list[Tokens]:
        """The texts as ids, cut at the window."""
        return await _aside(texts, self._ids)

    async def fitted(self, texts: Sequence[str]) -> list[Fitted]:
        """The texts cut so that the model sees all that is left of them."""
        return await _aside(texts, self._fitted)

    def _ids(self, text: str) -> Tokens:
        encoded = self._tokeniser.encode(text)
        return Tokens(encoded.ids, truncated=bool(encoded.overflowing))

    def _fitted(self, text: str) -> Fitted:
        encoded = self._tokeniser.encode(text)
        if not encoded.overflowing:
            return Fitted(text, len(encoded.ids), truncated=False)
        cut = text[: _whole_words(encoded)]
        while (again := self._tokeniser.encode(cut)).overflowing:  # a cut word may have more tokens than its part had
            cut = cut[: int(len(cut) * _SHRINK)]
        return Fitted(cut, len(again.ids), truncated=True)


def _whole_words(encoded: Any) -> int:
    """Where the last word ends that is there as a whole; the end of all when there is only one."""
    spans: list[tuple[int, int]] = [
        (word, end) for word, (_, end) in zip(encoded.word_ids, encoded.offsets, strict=True) if word is not None
    ]
    following = next((word for word in encoded.overflowing[0].word_ids if word is not None), None)
    whole = [end for word, end in spans if word != following]
    return max(whole or [end for _, end in spans])


async def _aside(texts: Sequence[str], work: Callable[[str], T]) -> list[T]:
    if sum(map(len, texts)) <= _INLINE_CHARS:
        return [work(text) for text in texts]
    return await asyncio.to_thread(lambda: [work(text) for text in texts])
