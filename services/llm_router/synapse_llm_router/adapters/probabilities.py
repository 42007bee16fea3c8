"""Token probabilities in the form of legacy completions."""

from __future__ import annotations

from collections.abc import Iterable

from synapse.llm.v1.generation_pb2 import Logprobs, TokenLogprob
from synapse_llm_router.adapters.members_json import text_of


class LegacyLogprobs:
    """Writes `logprobs` of completions; offsets count the characters of all tokens seen so far."""

    def __init__(self) -> None:
        self._offset = 0

    def write(self, tokens: Iterable[TokenLogprob], target: Logprobs) -> None:
        """Put the next `tokens` into `target.legacy_json`."""
        listed = list(tokens)
        offsets = []
        for token in listed:
            offsets.append(self._offset)
            self._offset += len(token.token)
        target.legacy_json = text_of(
            {
                "tokens": [token.token for token in listed],
                "token_logprobs": [token.logprob for token in listed],
                "top_logprobs": [{top.token: top.logprob for top in token.top} for token in listed],
                "text_offset": offsets,
            }
        )
