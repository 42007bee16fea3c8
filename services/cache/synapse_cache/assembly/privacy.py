"""What the settings say about privacy and freshness, as the domain takes it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from synapse_cache.adapters.questions import QuestionRules
from synapse_cache.privacy.freshness import Lives
from synapse_cache.privacy.probing import Probing, ProbingRules

if TYPE_CHECKING:
    from synapse_cache.settings import CacheSettings


def question_rules(settings: CacheSettings) -> QuestionRules:
    """How requests become questions."""
    fresh = settings.freshness
    return QuestionRules(
        settings.max_temperature,
        settings.personal_data,
        settings.personal_state,
        Lives(fresh.live_seconds, fresh.hourly_seconds, fresh.daily_seconds),
    )


def opened_probing(settings: CacheSettings) -> Probing:
    """The budgets of who asks."""
    rules = settings.probing
    return Probing(ProbingRules(rules.per_credential, rules.per_user, rules.near_similarity, rules.pause_seconds))
