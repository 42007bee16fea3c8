"""Control of reuse by meaning: tight at once, loose slowly, off when the budget broke, and on again."""

from __future__ import annotations

import random

import pytest

from synapse_cache.model import Place
from synapse_cache.thresholds.thresholds import FixedThresholds, Thresholds
from synapse_cache.trust.control import Control, shadow_errors, stepped
from synapse_cache.trust.evidence import LOWEST_STRICTNESS, Record, Stretch, Tally
from synapse_cache.trust.trust import Trust
from tests.support.clock import Clock

HERE = Place("acme")
HOUR = 3_600.0


class World:
    def __init__(self, *, max_error=0.01):
        self.clock, self.trust = Clock(), Trust()
        thresholds = FixedThresholds(Thresholds(max_error=max_error))
        self.control = Control(self.trust, thresholds, clock=self.clock)

    def audited(self, *, same):
        self.trust.count(HERE, Tally(audits=1, audits_wrong=int(not same)))
        self.control.compared(HERE, same=same)

    @property
    def record(self):
        return self.trust.counts(HERE)


def test_a_wrong_answer_halves_the_strictness_at_once():
    world = World(max_error=0.05)
    world.trust.count(HERE, Tally(requests=1_000, hits=100, audits=50))
    world.audited(same=False)
    assert world.record.strictness == 0.5


def test_the_strictness_falls_to_what_the_estimate_demands():
    record = Record(tally=Tally(requests=100, hits=50, audits=20, audits_wrong=4))
    assert stepped(record, 0.01, same=False) == pytest.approx(0.01 / 0.1)


def test_the_strictness_never_falls_below_its_end():
    record = Record(tally=Tally(requests=10, hits=10, audits=9, audits_wrong=9), strictness=LOWEST_STRICTNESS)
    assert stepped(record, 0.001, same=False) == LOWEST_STRICTNESS


@pytest.mark.parametrize("hits", [1, 10, 50, 100])
def test_right_answers_loosen_by_a_few_per_cent_at_most(hits):
    record = Record(tally=Tally(requests=100, hits=hits), strictness=0.25)
    assert 0.25 < stepped(record, 0.01, same=True) <= 0.25 * 1.05 + 1e-12


def test_nothing_loosens_above_the_calibration():
    assert stepped(Record(tally=Tally(requests=9, hits=1), strictness=0.99), 0.5, same=True) == 1.0


def test_the_steps_balance_within_the_budget():
    """Hits whose errors grow with the bar end up wrong no more often than the budget allows, wherever they began."""
    draws, strictness, wrong = random.Random(3), 1.0, 0
    tally = Tally(requests=2_000, hits=1_000)
    for _ in range(20_000):
        same = draws.random() >= 0.4 * strictness
        wrong += not same
        strictness = stepped(Record(tally=tally, strictness=strictness), 0.1, same=same)
    assert wrong / 20_000 <= 0.1


def test_reuse_goes_off_when_the_whole_interval_is_above_the_budget():
    world = World(max_error=0.01)
    world.trust.count(HERE, Tally(requests=100, hits=80))
    for same in (True, True, False, False, False):
        world.audited(same=same)
    assert world.record.suspended_at == world.clock()


def test_one_wrong_answer_alone_switches_nothing_off():
    world = World(max_error=0.01)
    world.trust.count(HERE, Tally(requests=100, hits=50))
    world.audited(same=False)
    assert world.record.suspended_at is None


def suspended(**counts):
    world = World()
    world.trust.count(HERE, Tally(requests=100, hits=50, audits=10, audits_wrong=5))
    world.trust.suspend(HERE, at=world.clock())
    world.trust.count(HERE, Tally(requests=100, **counts))
    return world


def test_reuse_begins_again_after_the_cooldown_as_strict_as_can_be():
    world = suspended(shadows=40)
    world.clock.advance(HOUR - 1)
    world.control.review()
    assert world.record.suspended_at is not None
    world.clock.advance(1)
    world.control.review()
    record = world.record
    assert (record.suspended_at, record.strictness, record.recent) == (None, LOWEST_STRICTNESS, Tally())


def test_reuse_stays_off_while_answers_in_the_shadow_are_wrong_but_no_longer_than_a_day():
    world = suspended(shadows=10, shadows_wrong=6)
    world.clock.advance(23 * HOUR)
    world.control.review()
    assert world.record.suspended_at is not None
    world.clock.advance(HOUR)
    world.control.review()
    assert world.record.suspended_at is None


def test_answers_of_a_new_stretch_are_judged_by_themselves():
    old = Tally(requests=1_000, hits=500, audits=100, audits_wrong=60, shadows=50, shadows_wrong=50)
    record = Record(tally=old + Tally(requests=100, hits=10), stretch=Stretch(old, old))
    assert shadow_errors(record) == 0.0


def test_a_suspended_namespace_is_not_stepped():
    world = suspended()
    world.control.compared(HERE, same=False)
    assert world.record.strictness == 1.0
