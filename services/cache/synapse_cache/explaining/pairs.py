"""Whether the answer to one question would be served to another, as if it were stored and nothing else was."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from synapse_cache.decision import Candidate
from synapse_cache.explaining.considering import considered
from synapse_cache.model import Considered
from synapse_cache.privacy.freshness import STATIC

if TYPE_CHECKING:
    from synapse_cache.decision import Decision
    from synapse_cache.feedback.kinship import Kinship
    from synapse_cache.lookup import Lookup
    from synapse_cache.model import Embedding, Place, Policy, Question


class Pairs:
    """Judges pairs of questions as a lookup would, at the standing of the namespace that they are asked in."""

    def __init__(self, lookup: Lookup, decision: Decision, kinship: Kinship) -> None:
        self._lookup = lookup
        self._decision = decision
        self._kinship = kinship

    async def judge(self, asked: Question, stored: Question, place: Place, policy: Policy) -> Considered:
        """`stored` as a candidate for `asked`; it has no id."""
        text, reason = stored.prompt or "", self._apart(asked, stored, place, policy)
        if reason or asked.key == stored.key:
            return Considered("", text, 0.0 if reason else 1.0, reason=reason)
        embeddings: list[Embedding] = []
        for one in (asked, stored):
            embedding = await self._lookup.embed(one.prompt or "")
            if embedding is None or embedding.truncated:
                return Considered("", text, 0.0, reason="embed_unavailable" if embedding is None else "truncated")
            embeddings.append(embedding)
        similarity = float(np.dot(embeddings[0].vector, embeddings[1].vector))
        return await self._decided(asked, stored, Candidate("", text, min(1.0, similarity)), place, policy)

    async def _decided(
        self, asked: Question, stored: Question, candidate: Candidate, place: Place, policy: Policy
    ) -> Considered:
        def denied(entry_id: str) -> bool:
            return self._kinship.denied(place, asked.key, entry_id, entry_key=stored.key)

        standing = replace(self._lookup.standing(place, policy), denied=denied)
        verdict = await self._decision.decide(asked.prompt or "", [candidate], standing, thorough=True)
        (judged,) = considered([candidate], verdict, standing)
        return judged

    def _apart(self, asked: Question, stored: Question, place: Place, policy: Policy) -> str:
        """Why one of the questions has nothing to do with answers of others; empty when it may."""
        both = (asked, stored)
        if reason := next((one.uncacheable_reason for one in both if one.uncacheable_reason), ""):
            return reason
        if fleeting := next((one for one in both if one.life.over_at_once), None):
            return fleeting.life.freshness.value
        return "" if asked.key == stored.key else self._unmatched(asked, stored, place, policy)

    def _unmatched(self, asked: Question, stored: Question, place: Place, policy: Policy) -> str:
        """Why meaning has no say; empty when it has."""
        if exact_only := next((one for one in (asked, stored) if one.prompt is None), None):
            return exact_only.exact_only_reason
        if not self._lookup.may_match(place, policy):
            return "exact_only"
        if asked.scope != stored.scope:  # of all that makes a scope, another wording changes the freshness alone
            life = stored.life if asked.life is STATIC else asked.life
            return life.freshness.value
        return ""
