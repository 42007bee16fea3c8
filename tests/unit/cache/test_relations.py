"""What is known about pairs of wordings: families, denials, and that no order of hearing changes them."""

from __future__ import annotations

from itertools import combinations

from hypothesis import given, settings
from hypothesis import strategies as st

from synapse_cache.feedback.relations import Known, Relation, Relations
from synapse_cache.trust.evidence import Source

ENTRIES = ("e1", "e2", "e3", "e4", "e5")
WORDINGS = ("w1", "w2", "w3", "w4", "w5")
OWN = dict(zip(ENTRIES, WORDINGS, strict=True))
CLOSER = Source.FEEDBACK, Source.AUDIT, Source.MISS


def said(entry_id: str, asked: str, *, same: bool = True, at: float = 1, source: Source = Source.FEEDBACK) -> Relation:
    """A relation to an entry whose own wording is known."""
    return Relation(source, entry_id, asked, same, at, OWN[entry_id])


def heard(*relations: Relation) -> Relations:
    known = Relations()
    known.take(relations)
    return known


@st.composite
def relation(draw: st.DrawFn) -> Relation:
    """A relation of which the wording of the entry, and the entry of the wording, may be known."""
    entry_id = draw(st.sampled_from(ENTRIES))
    asked = draw(st.sampled_from(WORDINGS))
    own = next(entry for entry, wording in OWN.items() if wording == asked)
    return Relation(
        draw(st.sampled_from(CLOSER)),
        entry_id,
        asked,
        draw(st.booleans()),
        draw(st.integers(0, 5)),
        draw(st.sampled_from(("", OWN[entry_id]))),
        draw(st.sampled_from(("", own))),
    )


def seen(known: Relations) -> object:
    """Everything that can be asked."""
    names = ENTRIES + WORDINGS
    return (
        [known.family(name) for name in names],
        [known.denied(asked, entry_id) for asked in WORDINGS for entry_id in ENTRIES],
        [known.known(entry_id) for entry_id in ENTRIES],
        [known.confirmed(asked) for asked in WORDINGS],
    )


@given(st.lists(relation(), max_size=30))
@settings(max_examples=300, deadline=None)
def test_no_family_ever_holds_a_denied_pair(relations: list[Relation]) -> None:
    known = Relations()
    for one in relations:
        known.take([one])
        for asked in WORDINGS:
            for entry_id in ENTRIES:
                if known.denied(asked, entry_id):
                    assert known.family(entry_id) != known.family(asked)


@given(st.lists(relation(), max_size=25), st.randoms(use_true_random=False))
@settings(max_examples=300, deadline=None)
def test_the_order_of_hearing_and_hearing_twice_do_not_matter(relations: list[Relation], random: object) -> None:
    shuffled = relations + relations[::2]
    random.shuffle(shuffled)  # type: ignore[attr-defined]  # Hypothesis' own kind of Random
    one_by_one = Relations()
    for one in shuffled:
        one_by_one.take([one])
    assert seen(one_by_one) == seen(heard(*relations))


@given(st.sets(st.tuples(st.sampled_from(ENTRIES), st.sampled_from(WORDINGS)), max_size=8))
def test_without_denials_families_are_what_confirmations_connect(pairs: set[tuple[str, str]]) -> None:
    known = heard(*(said(entry_id, asked) for entry_id, asked in pairs))
    links = {wording: {wording} for wording in WORDINGS}
    for _ in WORDINGS:
        for entry_id, asked in pairs:
            links[asked] |= links[OWN[entry_id]]
            links[OWN[entry_id]] |= links[asked]
    for one, other in combinations(WORDINGS, 2):
        assert (known.family(one) == known.family(other)) == (other in links[one])


@given(st.lists(relation(), min_size=1, max_size=60))
@settings(deadline=None)
def test_only_the_newest_relations_are_kept(relations: list[Relation]) -> None:
    known = Relations(most=5, slack=2)
    for one in relations:
        known.take([one])
        assert len(known) <= 7
    newest = max(one.at for one in relations)
    assert len(known) == 0 or any(one.at == newest for one in relations)


def test_confirmed_pairs_are_one_family_with_whom_they_were_confirmed_before() -> None:
    known = heard(said("e1", "w2"), said("e2", "w3"))
    assert known.family("e1") == known.family("w3") == known.family("e2")
    assert known.family("e4") == "e4"


def test_a_denial_splits_a_family_and_the_newest_confirmation_stays() -> None:
    known = heard(said("e1", "w2", at=1), said("e2", "w3", at=2))
    known.take([said("e1", "w3", same=False, at=3)])
    assert known.family("w1") != known.family("w2") == known.family("w3")


def test_what_was_told_apart_is_not_joined_through_others() -> None:
    known = heard(said("e1", "w2", same=False, at=1), said("e1", "w3", at=2), said("e3", "w2", at=3))
    assert known.family("w1") != known.family("w2")
    assert known.denied("w2", "e1")


def test_the_newest_word_on_a_pair_counts() -> None:
    known = heard(said("e1", "w2", same=False, at=1), said("e1", "w2", at=2))
    assert not known.denied("w2", "e1")
    known.take([said("e1", "w2", same=False, at=3)])
    assert known.denied("w2", "e1")


def test_no_comparison_unsays_what_somebody_called_wrong() -> None:
    known = heard(said("e1", "w2", same=False, at=1), said("e1", "w2", at=2, source=Source.AUDIT))
    assert known.denied("w2", "e1")


def test_a_comparison_may_find_wrong_what_somebody_called_right() -> None:
    known = heard(said("e1", "w2", at=1), said("e1", "w2", same=False, at=2, source=Source.AUDIT))
    assert known.denied("w2", "e1")


def test_a_denial_holds_for_a_later_answer_to_the_same_wording() -> None:
    known = heard(said("e1", "w2", same=False))
    assert known.denied("w2", "e1-renewed", "w1")
    assert not known.denied("w2", "e1-renewed")


def test_a_denial_holds_in_both_directions() -> None:
    known = heard(Relation(Source.AUDIT, "e1", "w2", same=False, at=1, entry_key="w1", asked_id="e2"))
    assert known.denied("w1", "e2")


def test_a_wording_that_becomes_known_later_takes_its_entrys_relations_over() -> None:
    known = heard(Relation(Source.AUDIT, "e1", "w2", same=False, at=1))
    assert known.denied("w2", "e1", "w1")
    known.take([said("e1", "w3")])
    assert known.denied("w2", "renewed", "w1")
    assert known.known("e1") == Known(confirmed=1, denied=1)


def test_an_answer_to_its_own_wording_is_no_pair() -> None:
    known = heard(said("e1", "w1", same=False))
    assert not known.denied("w1", "e1")
    assert known.known("e1") == Known()


def test_the_entries_confirmed_for_a_wording_are_told_newest_first() -> None:
    known = heard(said("e1", "w5", at=1), said("e2", "w5", at=3), said("e3", "w5", at=2, source=Source.MISS))
    assert [one.entry_id for one in known.confirmed("w5")] == ["e2", "e1"]
    known.take([said("e2", "w5", same=False, at=4)])
    assert [one.entry_id for one in known.confirmed("w5")] == ["e1"]
