"""An explanation in one sentence for people."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from synapse_cache.decision import VetoReason, analyse
from synapse_cache.explaining.reasons import PASSTHROUGH, VETO, clause
from synapse_cache.model import Considered, Hit, Status

if TYPE_CHECKING:
    from synapse_cache.explaining.explaining import Explained

_KINDS = {
    VetoReason.NUMBER: ("num", "ord"),
    VetoReason.UNIT: ("unit",),
    VetoReason.DATE: ("date", "time"),
    VetoReason.VERSION: ("ver", "num"),
    VetoReason.FORMAT: ("fmt",),
    VetoReason.LANGUAGE: ("lang",),
    VetoReason.PROGRAMMING: ("prog",),
    VetoReason.ENTITY: ("name",),
    VetoReason.IDENTIFIER: ("id",),
    VetoReason.SYMBOL: ("sym",),
}
"""What the veto calls the words of which it says that they differ."""
_MOST_NAMED = 3
_LONGEST_QUOTED = 80


def summary(explained: Explained, *, shown: bool) -> str:
    """What the cache would do and why; what others asked is told only if `shown`."""
    outcome = explained.outcome
    if outcome.status is Status.BYPASS:
        return _bypass(explained, shown=shown)
    if outcome.status is Status.HIT:
        return f"would hit: {_hit(explained, shown=shown)}"
    if explained.policy.only_if_cached:
        return f"would be refused, for it wants no backend asked: {_miss(explained, shown=shown)}"
    return f"would miss: {_miss(explained, shown=shown)}{_safety_net(explained)}"


def percent(share: float) -> str:
    """A share as people read it: up to two decimals, and never 100 where it is less."""
    shown = min(share, 0.9999) if share < 1 else share
    return f"{100 * shown:.2f}".rstrip("0").rstrip(".") + " %"


def differing(asked: str, stored: str, reason: str) -> str:
    """What stands in each of two texts where they differ, as "5 against 7"; empty where that has no short name."""
    kinds = _KINDS.get(VetoReason(reason), ())
    left, right = (Counter(analyse(text).clause.words) for text in (asked, stored))
    ours, theirs = _named(left - right, kinds), _named(right - left, kinds)
    return f"{ours or 'none'} against {theirs or 'none'}" if ours or theirs else ""


def _named(words: Counter[str], kinds: tuple[str, ...]) -> str:
    named = [word.partition(":")[2] for word in sorted(words) if word.partition(":")[0] in kinds]
    return ", ".join(named[:_MOST_NAMED])


def _bypass(explained: Explained, *, shown: bool) -> str:
    reason = explained.outcome.reason
    if not reason.startswith(PASSTHROUGH):
        return f"would bypass the cache: {clause(reason)}"
    found = _hit(explained, shown=shown) if _would_hit(explained) else _miss(explained, shown=shown)
    verb = "hit" if _would_hit(explained) else "miss"
    return f"would ask a backend in any case and store nothing; else it would {verb}: {found}"


def _would_hit(explained: Explained) -> bool:
    return isinstance(explained.found.result, Hit) and not explained.found.shadow


def _hit(explained: Explained, *, shown: bool) -> str:
    result = explained.found.result
    told = clause(result.reason)
    if isinstance(result, Hit) and shown and result.reason != "exact" and result.entry.prompt is not None:
        told += f", {_quoted(result.entry.prompt)}"
    chosen = next((one for one in result.considered if not one.veto and not one.reason), None)
    if chosen is None or chosen.probability is None or explained.bar is None:
        return told
    return f"{told}; it is right with a probability of {percent(chosen.probability)}, {_needed(explained.bar)}"


def _miss(explained: Explained, *, shown: bool) -> str:
    found, asked = explained.found, explained.question.prompt or ""
    reason = found.result.reason
    if found.shadow:
        return f"{clause('shadow')}; it would have hit: {_hit(explained, shown=shown)}"
    told, nearest = clause(reason), _of(found.result.considered, reason)
    if nearest is None:
        return told
    if reason.startswith(VETO) and shown and (difference := differing(asked, nearest.prompt, nearest.veto)):
        told += f" ({difference})"
    if shown and not reason.startswith(VETO):
        told += f"; the {'likeliest' if reason == 'above_bar' else 'nearest'} is {_quoted(nearest.prompt)}"
    if nearest.probability is not None and explained.bar is not None and reason in {"above_bar", "unverified"}:
        told += f"; it is right with a probability of {percent(nearest.probability)}, {_needed(explained.bar)}"
    return told


def _of(considered: tuple[Considered, ...], reason: str) -> Considered | None:
    """The candidate that a miss of `reason` is about: the likeliest where that counts, else the most similar."""
    about = [one for one in considered if reason in {one.reason, VETO + one.veto}]
    if reason == "above_bar":
        return max(about, key=lambda one: one.probability or 0.0, default=None)
    return max(about, key=lambda one: one.similarity, default=None)


def _needed(bar: float) -> str:
    return f"and {percent(1 - bar)} is needed now"


def _safety_net(explained: Explained) -> str:
    """What would be served should the backends fail."""
    return "" if explained.found.stale is None else "; should the backends fail, its answer past its end is served"


def _quoted(text: str) -> str:
    plain = " ".join(text.split())
    return f'"{plain}"' if len(plain) <= _LONGEST_QUOTED else f'"{plain[:_LONGEST_QUOTED]}..."'
