"""Taking feedback on served answers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from synapse.cache.v1 import trust_pb2
from synapse_cache.adapters import messages
from synapse_cache.feedback.feedback import Rating, Said
from synapse_runtime.errors import InvalidArgument

if TYPE_CHECKING:
    from synapse_cache.feedback.feedback import Feedback
    from synapse_runtime.call import Call

_RATINGS = {trust_pb2.RATING_RIGHT: Rating.RIGHT, trust_pb2.RATING_WRONG: Rating.WRONG}
_LONGEST = {"entry_id": 128, "request_id": 128, "prompt": 20_000, "comment": 1_000, "idempotency_key": 128}


@dataclass(frozen=True)
class FeedbackRpc:
    """The servicer of feedback; every role may give it, and what it does depends on the role."""

    feedback: Feedback

    async def report_feedback(
        self, request: trust_pb2.ReportFeedbackRequest, call: Call
    ) -> trust_pb2.ReportFeedbackResponse:
        """Take one report in."""
        done = await self.feedback.report(_said(request), messages.caller_of(call))
        return trust_pb2.ReportFeedbackResponse(effect=done.effect, removed=done.removed)


def _said(request: trust_pb2.ReportFeedbackRequest) -> Said:
    """What the request says; raises InvalidArgument naming the field."""
    if not request.entry_id:
        raise InvalidArgument("entry_id is missing", metadata={"field": "entry_id"})
    rating = _RATINGS.get(request.rating)
    if rating is None:
        raise InvalidArgument("rating must be RATING_RIGHT or RATING_WRONG", metadata={"field": "rating"})
    for field, longest in _LONGEST.items():
        if len(getattr(request, field)) > longest:
            raise InvalidArgument(f"{field} is longer than {longest} characters", metadata={"field": field})
    return Said(
        request.entry_id,
        rating,
        request_id=request.request_id,
        prompt=request.prompt,
        comment=request.comment,
        idempotency_key=request.idempotency_key,
    )
