"""The write gates: which answers may be stored."""

from __future__ import annotations

from typing import TYPE_CHECKING

from synapse_cache.model import Finish

if TYPE_CHECKING:
    from synapse_cache.model import Answer, Policy, Question

_COMPLETE = frozenset({Finish.STOP, Finish.TOOL_CALLS})
LARGEST_ANSWER_BYTES = 8 * 1024 * 1024


def refusal(question: Question, answer: Answer, policy: Policy) -> str:
    """Why this answer may not be stored, as a short stable word; empty when it may.

    Only complete answers pass: every choice ended by itself or in tool calls, and one of them says something.
    """
    if policy.skip or policy.no_store or policy.passthrough or policy.preview:
        return "no_store"
    if question.uncacheable_reason or question.life.over_at_once:
        return question.uncacheable_reason or question.life.freshness.value
    if not answer.finishes or any(finish not in _COMPLETE for finish in answer.finishes):
        return "incomplete"
    if answer.empty:
        return "empty"
    if len(answer.payload) > LARGEST_ANSWER_BYTES:
        return "too_large"
    return ""
