"""How often reuse by meaning is wrong: an interval that holds at every moment, made of audits.

Audits look at hits drawn by chance. Audit i is wrong with a probability p_i that may depend on all that came before:
control makes the bar stricter and looser as audits come in, so no two need have the same. For any fixed number t

    the product of  exp(t x_i) / (1 - p_i + p_i exp(t))      x_i = 1 when audit i was wrong, else 0

is a martingale that begins at 1 and is never negative. The logarithm of the denominator is concave in p_i, so with
k wrong of n and their mean probability p

    exp(t k) / (1 - p + p exp(t))^n

is never above it, and neither is a mixture W(p) over several t with weights of sum 1. By Ville's inequality W(p) ever
reaches 1/a with a probability of at most a, whatever the number of audits and whenever somebody looks. W falls with
p for positive t and rises for negative ones, so the lower end is where the first reaches 2/a and the upper end where
the second does: together they hold p, for all n at once, with a probability of at least 1 - a.

Sources: J. Ville, Etude critique de la notion de collectif (1939); H. Robbins, Statistical methods related to the law
of the iterated logarithm (1970); S. Howard, A. Ramdas, J. McAuliffe, J. Sekhon, Time-uniform, nonparametric,
nonasymptotic confidence sequences (2021); I. Waudby-Smith, A. Ramdas, Estimating means of bounded random variables by
betting (2024).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from synapse_cache.trust.evidence import Tally

CONFIDENCE = 0.95
_STRENGTHS = tuple(0.1 * 2 ** (step / 2) for step in range(14))  # up to 9: odds of 1 to 9,000
_SHARE = -math.log(len(_STRENGTHS))
_HALVINGS = 36
_PRIOR_AUDITS = 10.0
"""How many audits the calibration's own expectation counts for in the estimate."""


@dataclass(frozen=True, slots=True)
class Bound:
    """An estimate of a share, 0 to 1, and the ends of its interval."""

    lower: float
    estimate: float
    upper: float

    def times(self, share: float) -> Bound:
        """The bound of that share of it."""
        return Bound(self.lower * share, self.estimate * share, self.upper * share)


NONE = Bound(0.0, 0.0, 0.0)
"""Of nothing."""


@lru_cache(maxsize=16_384)
def interval(wrong: int, audits: int, *, confidence: float = CONFIDENCE) -> tuple[float, float]:
    """Ends of the interval for the mean probability of a wrong answer, `wrong` of `audits` being so.

    It holds for all numbers of audits at once. Raises ValueError unless 0 <= wrong <= audits and 0 < confidence < 1.
    """
    if not (0 <= wrong <= audits and 0 < confidence < 1):
        raise ValueError(f"{wrong} wrong of {audits} at a confidence of {confidence} cannot be")
    limit = math.log(2 / (1 - confidence))
    share = wrong / audits if audits else 0.0
    lower, upper = 0.0, 1.0
    if wrong:
        lower = _crossing(0.0, share, lambda p: _wealth(p, wrong, audits, sign=1) < limit)
    if wrong < audits:
        upper = _crossing(1.0, share, lambda p: _wealth(p, wrong, audits, sign=-1) < limit)
    return lower, upper


def of_hits(tally: Tally) -> Bound:
    """How often a hit by meaning is wrong, by the audits in `tally` that came to a verdict.

    The estimate leans towards what the calibration expected as long as there are few audits.
    """
    wrong, audits = tally.audits_wrong, tally.audits_closed
    lower, upper = interval(wrong, audits)
    expected = min(1.0, max(0.0, tally.expected_errors / tally.hits)) if tally.hits else 0.0
    estimate = (wrong + _PRIOR_AUDITS * expected) / (audits + _PRIOR_AUDITS) if expected else wrong / max(1, audits)
    return Bound(lower, min(upper, max(lower, estimate)), upper)


def of_requests(tally: Tally) -> Bound:
    """How often a request is answered wrongly: the hits' bound times the share of requests that were such hits."""
    return of_hits(tally).times(hit_share(tally))


def hit_share(tally: Tally) -> float:
    """Which share of the requests was answered by meaning."""
    return min(1.0, tally.hits / tally.requests) if tally.requests else 0.0


def _crossing(outside: float, inside: float, holds: Callable[[float], bool]) -> float:
    """Where `holds` begins between `outside`, where it need not, and `inside`, where it does; to its far side."""
    for _ in range(_HALVINGS):
        middle = (outside + inside) / 2
        if holds(middle):
            inside = middle
        else:
            outside = middle
    return outside


def _wealth(p: float, wrong: int, audits: int, *, sign: int) -> float:
    """Logarithm of the mixture W(p) over the strengths of one sign."""
    terms = []
    for strength in _STRENGTHS:
        t = sign * strength
        terms.append(t * wrong - audits * math.log1p(p * math.expm1(t)) + _SHARE)
    most = max(terms)
    return most + math.log(sum(math.exp(term - most) for term in terms))
