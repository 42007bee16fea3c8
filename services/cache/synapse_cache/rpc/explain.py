"""Telling what the cache would do with a request, and with other wordings of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from synapse.cache.v1 import explain_pb2 as wire
from synapse_cache.adapters import messages
from synapse_cache.adapters.explain_wire import explanation_of, own_text, reworded, shown_candidate
from synapse_cache.adapters.questions import QuestionRules, question_of
from synapse_cache.explaining.variations import Wording, wordings
from synapse_cache.rpc.checks import asked
from synapse_runtime.errors import InvalidArgument
from synapse_runtime.identity import Role

if TYPE_CHECKING:
    from collections.abc import Sequence

    from synapse_cache.explaining.explaining import Explaining
    from synapse_runtime.call import Call

_MOST_VARIATIONS = 50
_LONGEST_VARIATION = 8_000


@dataclass(frozen=True)
class ExplainRpc:
    """The servicer of what explains.

    What others asked is for those who run the cache; to a viewer, every candidate that it is told of counts as probing.
    """

    explaining: Explaining
    rules: QuestionRules

    async def explain(self, request: wire.ExplainRequest, call: Call) -> wire.ExplainResponse:
        """Tell what would happen to a request."""
        question, place, policy = asked(request.request, request.control, call, self.rules)
        shown = _may_see(call)
        explained = await self.explaining.explain(question, place, policy, messages.caller_of(call), charged=not shown)
        return wire.ExplainResponse(explanation=explanation_of(explained, shown=shown))

    async def explain_variations(
        self, request: wire.ExplainVariationsRequest, call: Call
    ) -> wire.ExplainVariationsResponse:
        """Tell what would happen to other wordings of a request, one after the other."""
        original, place, policy = asked(request.request, request.control, call, self.rules)
        text, shown, caller = own_text(request.request), _may_see(call), messages.caller_of(call)
        reply = wire.ExplainVariationsResponse()
        for wording in _given(request.variations) or wordings(text)[:_MOST_VARIATIONS]:
            question = question_of(reworded(request.request, wording.text), self.rules)
            explained = await self.explaining.explain(
                question, place, policy, caller, charged=not shown, thorough=False
            )
            against = await self.explaining.compare(question, original, place, policy)
            reply.variations.add(
                text=wording.text,
                against_original=shown_candidate(against, shown=True),
                explanation=explanation_of(explained, shown=shown),
                edit=wording.edit,
                same=wording.same,
            )
        return reply


def _may_see(call: Call) -> bool:
    """Whether the caller may read what others asked."""
    return call.identity.role is not Role.VIEWER


def _given(variations: Sequence[str]) -> list[Wording]:
    """The wordings of a request that brings its own; raises InvalidArgument for too many, too long or empty ones."""
    if len(variations) > _MOST_VARIATIONS:
        raise InvalidArgument(f"variations: at most {_MOST_VARIATIONS}", metadata={"field": "variations"})
    if any(not text.strip() or len(text) > _LONGEST_VARIATION for text in variations):
        message = f"variations: each needs 1 to {_LONGEST_VARIATION} characters"
        raise InvalidArgument(message, metadata={"field": "variations"})
    return [Wording(text) for text in variations]
