"""Who follows requests through the cache: audits, learning, the log, statistics."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from synapse_cache.lookup import Found
    from synapse_cache.model import Answer, Caller, Entry, Outcome, Policy, Question


class Follower(Protocol):
    """Told of every request, on the request's way: whatever takes time belongs into a task of its own."""

    def served(self, question: Question, found: Found, outcome: Outcome, policy: Policy, caller: Caller) -> None:
        """The cache has looked `question` up, and `outcome` is what it does: a hit is about to be served."""

    def answered(self, question: Question, found: Found, answer: Answer, entry: Entry | None, caller: Caller) -> None:
        """A backend has answered `question` after a miss; `entry` is what was stored of it, None when nothing was."""
