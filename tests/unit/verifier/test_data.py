"""Training pairs: what their labels promise."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from scripts.verifier import corpora, edits, operators, pairs
from scripts.verifier.domains import Tables, domains
from scripts.verifier.frames import Form, Sampler, families, slots
from scripts.verifier.generate import SHARES, WRITTEN, Recipe, balanced, make
from scripts.verifier.schema import Questions
from scripts.verifier.shells import fill, gerund
from scripts.verifier.values import MADE, draw, in_words, other, vocabulary
from scripts.verifier.word_order import Orders

FRAMES = [family for file in ("frames.txt", "open.txt", "word_order.txt") for family in families(file)]


def _words(text: str) -> set[str]:
    return set(text.lower().replace(",", "").split())


def test_every_slot_of_every_frame_has_values():
    known = set(MADE) | set(vocabulary()) | {"any"}
    used = {kind for family in FRAMES for meaning in family.meanings for kind, _ in slots(*meaning)}
    used |= {kind for domain in domains() for condition in domain.conditions for kind, _ in condition.slots()}
    assert used <= known


def test_a_spelling_stands_for_one_value_of_its_type():
    for kind, values in vocabulary().items():
        spellings = [one for value in values for one in {spelling.lower() for spelling in value.spellings}]
        assert len(spellings) == len(set(spellings)), kind


def test_every_open_meaning_has_its_own_wordings():
    for family in FRAMES:
        forms = [form for meaning in family.meanings for form in meaning]
        assert len(forms) == len(set(forms)), family.name


def test_wordings_of_an_open_meaning_ask_about_the_same_slots():
    lines = [line for file in ("open.txt", "word_order.txt") for family in families(file) for line in family.meanings]
    assert not [line for line in lines if any(slots(form) != slots(line[0]) for form in line)]


def test_no_frame_leaves_a_slot_or_a_choice_open():
    sampler = Sampler(random.Random(1))
    said = [sampler.positive(family).a + sampler.negative(family).b for family in FRAMES for _ in range(5)]
    tables, orders = Tables(random.Random(1)), Orders(random.Random(1))
    said += [draw(label).b for draw in (tables.pair, orders.pair) for label in (0, 1) for _ in range(500)]
    assert not [text for text in said if set("<>^~") & set(text)]
    assert not [text for text in said if set("{}[]|@") & set(text)]


def test_a_near_miss_never_repeats_the_prompt():
    sampler = Sampler(random.Random(2))
    misses = [sampler.negative(family) for family in families() for _ in range(20)]
    assert sum(pair.a.lower() == pair.b.lower() for pair in misses) <= len(misses) / 100


def test_another_value_shares_no_spelling():
    rng = random.Random(3)
    for kind in ("country", "num", "clock", "dur", "date", "name"):
        for _ in range(50):
            value = draw(kind, rng)
            assert not set(other(kind, value, rng).spellings) & set(value.spellings)


def test_values_of_one_type_differ_inside_a_pair():
    sampler = Sampler(random.Random(4))
    drawn = [sampler.values({("city", ""), ("city", "2"), ("city", "3")}, "city") for _ in range(200)]
    assert all(values["city"].key != values["city.2"].key for values in drawn)


@pytest.mark.parametrize(("number", "words"), [(7, "seven"), (42, "forty-two"), (120, "one hundred twenty")])
def test_numbers_are_spelled_out(number, words):
    assert in_words(number) == words


@pytest.mark.parametrize(("phrase", "said"), [("reset my PIN", "resetting my PIN"), ("cancel it", "canceling it")])
def test_verb_phrases_take_their_ing_form(phrase, said):
    assert gerund(phrase) == said
    assert fill("guide to {g}", phrase) == f"guide to {said}"


def test_an_edit_changes_the_words():
    rng = random.Random(5)
    text = "can I return 14 red shoes before March"
    found = [edits.edit(text, rng) for _ in range(100)]
    assert all(one.lower().split() != text.lower().split() for one in found if one)
    assert any("14" not in one for one in found if one)


def test_a_variant_keeps_numbers_and_names():
    rng = random.Random(6)
    varied = [operators.vary("what is the capital of Peru in 1984", rng) for _ in range(200)]
    assert all("1984" in text and "peru" in text.lower() for text in varied)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("where can I park in Rome?", "in Rome, where can I park"),
        ("what is cheaper in Peru than in Chile", "what is cheaper in Peru than in Chile"),
        ("how do I turn on the radio", "how do I turn on the radio"),
    ],
)
def test_only_a_circumstance_moves_to_the_front(text, said):
    assert operators.front(text, random.Random(0)) == said


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("should I learn Rust or Go", "should I learn Go or Rust"),
        ("films with Anna Bell and Omar Cook", "films with Anna Bell and Omar Cook"),
        ("flights between Rome and Oslo", "flights between Rome and Oslo"),
    ],
)
def test_only_single_names_trade_places_around_and(text, said):
    assert operators.turn(text, random.Random(0)) == said


def test_questions_to_a_database_differ_when_they_should():
    questions = Questions(random.Random(7))
    assert all(questions.near_miss(query) != query for query in (questions.query() for _ in range(300)))


def test_questions_to_everyday_tables_differ_when_they_should():
    tables = Tables(random.Random(9))
    queries = [tables.query() for _ in range(1000)]
    assert all(tables.near_miss(query) != query for query in queries)
    assert {query.domain.name for query in queries} == {domain.name for domain in domains()}


def test_word_overlap_does_not_tell_the_label_of_reordered_pairs():
    orders = Orders(random.Random(10))
    shares = []
    for label in (0, 1):
        pairs = [orders.pair(label) for _ in range(1000)]
        shares.append(sum(len(_words(p.a) & _words(p.b)) / len(_words(p.a) | _words(p.b)) for p in pairs) / 1000)
    assert abs(shares[0] - shares[1]) < 0.12


def test_a_lopsided_set_gives_as_many_repeats_as_near_misses():
    rows = [pairs.Pair(f"question {n}", f"other {n}", int(n == 0), "minimal", "g") for n in range(9)]
    drawn = balanced(random.Random(0), rows, 100)
    assert sum(pair.label for pair in drawn) == 50


def test_the_shares_of_the_mixture_make_a_whole():
    assert sum(SHARES.values()) == pytest.approx(1)
    assert set(WRITTEN) < set(SHARES)


def test_a_recipe_gives_the_same_pairs_twice():
    assert make(Recipe(300, seed=3), None) == make(Recipe(300, seed=3), None)
    assert make(Recipe(300, seed=3), None) != make(Recipe(300, seed=4), None)


def test_a_family_can_be_left_out():
    made = make(Recipe(300, without=frozenset({"schema"})), None)
    assert {pair.family for pair in made} == {*WRITTEN} - {"schema"}


def test_a_group_is_held_out_always_or_never():
    held = [corpora.held_out(f"minimal:{number}") for number in range(400)]
    assert held == [corpora.held_out(f"minimal:{number}") for number in range(400)]
    assert 0.2 < sum(held) / len(held) < 0.4


def test_quoras_texts_are_in_no_training_set():
    assert not {"qqp", "paws_qqp"} & {*corpora.PAIR_SETS, *corpora.INTENT_SETS}


def test_pairs_survive_their_file(tmp_path: Path):
    written = make(Recipe(20), None)
    pairs.write(tmp_path / "pairs.jsonl", written)
    assert list(pairs.read(tmp_path / "pairs.jsonl")) == written


def test_a_preamble_stands_in_front():
    sampler = Sampler(random.Random(8))
    form = Form("I live in {country}.", "", symmetric=False)
    said = sampler.attach("how do I vote", "I live in {country}.", sampler.values(slots(form), "city"))
    assert said.startswith("I live in ")
    assert said.endswith("How do I vote")
