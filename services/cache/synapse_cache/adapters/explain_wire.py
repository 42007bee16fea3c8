"""The one table between the wire's explanations and the domain's, and other wordings of a request of the wire."""

from __future__ import annotations

from typing import TYPE_CHECKING

from synapse.cache.v1 import explain_pb2 as wire
from synapse.llm.v1.request_pb2 import GenerationRequest
from synapse_cache.adapters.messages import candidate_of, outcome_of
from synapse_cache.adapters.thresholds_wire import thresholds_of
from synapse_cache.explaining.summary import summary
from synapse_cache.model import Hit
from synapse_runtime.errors import FailedPrecondition

if TYPE_CHECKING:
    from synapse_cache.explaining.explaining import Explained
    from synapse_cache.model import Considered


def explanation_of(explained: Explained, *, shown: bool) -> wire.Explanation:
    """The message; what others asked is in it only if `shown`."""
    question, result = explained.question, explained.found.result
    nearest_first = sorted(result.considered, key=lambda one: -one.similarity)
    reply = wire.Explanation(
        outcome=outcome_of(explained.outcome),
        summary=summary(explained, shown=shown),
        scope=question.scope if question.prompt is not None else "",
        exact_only_reason=question.exact_only_reason or ("truncated" if explained.found.exact_only else ""),
        uncacheable_reason=question.uncacheable_reason,
        candidates=[shown_candidate(one, shown=shown) for one in nearest_first],
        bar=explained.bar,
        thresholds=thresholds_of(explained.thresholds),
        suspended=explained.suspended,
        freshness=question.life.freshness.value,
    )
    if isinstance(result, Hit) and not explained.found.shadow:
        reply.entry_key = result.entry.key
        reply.entry_prompt = (result.entry.prompt or "") if shown else ""
    return reply


def shown_candidate(considered: Considered, *, shown: bool) -> wire.Candidate:
    """A candidate, with its question only if `shown`."""
    reply = candidate_of(considered)
    if not shown:
        reply.ClearField("prompt")
    return reply


def own_text(request: GenerationRequest) -> str:
    """The text of the last message, of which there are other wordings; raises FailedPrecondition where it has none."""
    if request.messages and request.messages[-1].role == "user":
        message = request.messages[-1]
        if message.HasField("text") and message.text.strip():
            return message.text
        if len(message.parts) == 1 and message.parts[0].text.strip():
            return message.parts[0].text
    raise FailedPrecondition("only a request whose last message is a user's one text has other wordings")


def reworded(request: GenerationRequest, text: str) -> GenerationRequest:
    """`request` with another text in its last message, which has one."""
    copy = GenerationRequest()
    copy.CopyFrom(request)
    message = copy.messages[-1]
    if message.HasField("text"):
        message.text = text
    else:
        message.parts[0].text = text
    return copy
