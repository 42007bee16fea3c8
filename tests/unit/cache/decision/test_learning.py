"""Verdicts move what is believed of a namespace, from a strict beginning towards its own ways."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from synapse_cache.decision.learning import MOST_VERDICTS, PRIOR, Traits, learn, record

MIDDLING: Traits = (2.5, 0.0)
verdicts = st.lists(st.tuples(st.tuples(st.floats(-3, 6), st.floats(-2, 2)), st.booleans()), max_size=60)


def test_no_verdict_leaves_the_prior() -> None:
    assert learn([]) is PRIOR


def test_right_answers_loosen_and_wrong_ones_tighten() -> None:
    right, wrong = learn([(MIDDLING, True)] * 40), learn([(MIDDLING, False)] * 40)
    assert right.error(MIDDLING) < PRIOR.error(MIDDLING) < wrong.error(MIDDLING)


def test_the_more_is_known_the_less_caution_is_needed() -> None:
    few, many = ([((3.0, 0.0), True)] * 9 + [((3.0, 0.0), False)]) * 2, 30
    assert learn(few * many).error((3.0, 0.0)) < learn(few).error((3.0, 0.0))


def test_only_the_newest_verdicts_count() -> None:
    old = [(MIDDLING, False)] * 50
    new = [(MIDDLING, True)] * MOST_VERDICTS
    assert learn(old + new).error(MIDDLING) == learn(new).error(MIDDLING)


def test_the_prior_takes_a_higher_logit_for_a_smaller_error() -> None:
    errors = [PRIOR.error((logit / 2, 0.0)) for logit in range(12)]
    assert errors == sorted(errors, reverse=True)


@given(verdicts)
def test_every_history_gives_a_probability(history: list[tuple[Traits, bool]]) -> None:
    posterior = learn(history)
    assert all(0 < posterior.error((logit, 0.0)) < 1 for logit in (-5.0, 0.0, 3.0, 9.0))


def test_a_record_is_neutral_without_verdicts() -> None:
    assert record(0, 0) == 0 < record(3, 1)
    assert record(0, 2) < 0
