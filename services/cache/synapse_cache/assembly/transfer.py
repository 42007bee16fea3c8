"""Export and import put together."""

from __future__ import annotations

from typing import TYPE_CHECKING

from synapse_cache.assembly.privacy import question_rules
from synapse_cache.rpc.transfer import TransferRpc
from synapse_cache.transfer.export import Export
from synapse_cache.transfer.intake import Intake, IntakeRules

if TYPE_CHECKING:
    from synapse_cache.invalidation.recalls import Recalls
    from synapse_cache.lookup import Stores
    from synapse_cache.overlay import RecentWrites
    from synapse_cache.settings import CacheSettings
    from synapse_cache.thresholds.thresholds import ThresholdSource
    from synapse_cache.writer import Writer


def transfer(
    settings: CacheSettings,
    stores: Stores,
    writer: Writer,
    recent: RecentWrites,
    *,
    recalls: Recalls,
    thresholds: ThresholdSource,
) -> TransferRpc:
    """The face of export and import."""
    questions = question_rules(settings)
    rules = IntakeRules(
        settings.transfer.import_per_second,
        settings.semantic,
        questions.personal_data,
        questions.personal_state,
        questions.lives,
    )
    intake = Intake(stores, writer, recent, recalls, thresholds, rules=rules)
    return TransferRpc(Export(stores, recent, recalls, thresholds), intake)
