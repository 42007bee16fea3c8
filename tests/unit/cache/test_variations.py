"""Wordings are made by rule: those that ask the same keep what counts, the others change one thing that does."""

from __future__ import annotations

import re
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from synapse_cache.decision import analyse, screen
from synapse_cache.explaining.variations import Wording, wordings

TOPICS = st.sampled_from(
    ["the capital of France", "the boiling point of water in celsius", "the price of 3 tickets", "a monad in Haskell"]
)
PLACES = st.sampled_from(["Paris", "New York", "Berlin", "the office"])
QUESTIONS = st.one_of(
    st.builds("What is {}?".format, TOPICS),
    st.builds("what's {}".format, TOPICS),
    st.builds("Who is the {} of {}?".format, st.sampled_from(["mayor", "oldest citizen"]), PLACES),
    st.builds("How do I get from {} to Rome in {}?".format, PLACES, st.sampled_from(["May", "June 2024"])),
    st.builds("List {} birds that cannot fly.".format, st.integers(2, 999)),
    st.builds("Is it safe to drink {} beers {} Friday?".format, st.integers(2, 9), st.sampled_from(["before", "on"])),
)


def made(text: str, *, same: bool) -> list[Wording]:
    return [one for one in wordings(text) if one.same is same]


@given(QUESTIONS)
def test_what_asks_the_same_surely_does_to_the_veto_or_leaves_it_open(text: str) -> None:
    for one in made(text, same=True):
        assert screen(analyse(one.text), analyse(text)).final is None, one


@given(QUESTIONS)
def test_one_edit_never_passes_for_the_same(text: str) -> None:
    for one in made(text, same=False):
        assert not screen(analyse(one.text), analyse(text)).sure, one


@given(QUESTIONS)
def test_a_question_has_wordings_of_either_kind(text: str) -> None:
    assert len(made(text, same=True)) >= 3
    assert made(text, same=False)


@given(st.text(max_size=200))
def test_any_text_has_few_wordings_each_once_and_none_is_the_text(text: str) -> None:
    found = wordings(text)
    texts = [one.text for one in found]
    assert len(set(texts)) == len(texts) <= 50
    assert text.strip() not in texts
    assert all(one.text.strip() and one.edit for one in found)
    assert found == wordings(text)


@given(st.text(max_size=200) | QUESTIONS)
def test_what_asks_the_same_has_the_same_numbers(text: str) -> None:
    for one in made(text, same=True):
        assert re.findall(r"\d+", one.text) == re.findall(r"\d+", text), one


@given(st.text(max_size=200) | QUESTIONS)
def test_what_asks_otherwise_has_other_words_or_another_order(text: str) -> None:
    for one in made(text, same=False):
        assert one.text.casefold().split() != text.casefold().split(), one


@pytest.mark.parametrize(
    ("text", "edit", "expected"),
    [
        ("What is love?", "contraction", "What's love?"),
        ("What's love?", "contraction", "What is love?"),
        ("What's love?", "what_is", "Can you tell me what love is?"),
        ("who are the Beatles", "what_is", "Tell me who the Beatles are."),
        ("How do I fly a kite?", "how_to", "Can you tell me how to fly a kite?"),
        ("Name 007 films", "number", "Name 008 films"),
        ("Name two films", "number", "Name three films"),
        ("Who won in 1998?", "date", "Who won in 1999?"),
        ("Rain in December?", "date", "Rain in January?"),
        ("Which birds cannot fly?", "contraction", "Which birds can't fly?"),
        ("Which birds do not fly?", "negation", "Which birds do fly?"),
        ("Which birds can fly?", "negation", "Which birds can not fly?"),
        ("Is it Safe to eat?", "opposite", "Is it Unsafe to eat?"),
        ("How many kilograms are 9 pounds?", "unit", "How many pounds are 9 kilograms?"),
        ("Fly from Rome to New York today", "swapped", "Fly from New York to Rome today"),
    ],
)
def test_rules_do_what_they_say(text: str, edit: str, expected: str) -> None:
    assert expected in [one.text for one in wordings(text) if one.edit == edit]


@pytest.mark.parametrize(
    ("text", "edit"),
    [
        ("What is NATO?", "case"),
        ('Who said "Et tu, Brute"?', "case"),
        ('Who said "Et tu,  Brute"?', "spaces"),
        ("What is it that you want?", "what_is"),
        ("May I leave?", "date"),
        ("Was ist 7 mal 8?", "politeness"),
        ("Explain `x = 1  # two`", "spaces"),
    ],
)
def test_rules_leave_alone_what_they_might_break(text: str, edit: str) -> None:
    assert edit not in Counter(one.edit for one in wordings(text))


def test_a_very_long_text_has_none() -> None:
    assert wordings("What is love? " * 200) == []
