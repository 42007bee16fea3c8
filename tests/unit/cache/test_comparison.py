"""Which answers are taken for the same, which for different, and which are left open."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from synapse_cache.audits.comparison import Likeness, Said, ToolUse, compare, compare_texts

SAME, DIFFERENT, OPEN = Likeness.SAME, Likeness.DIFFERENT, Likeness.OPEN
LONG = "Ibuprofen can irritate the stomach, and alcohol makes that worse, so it is better to avoid both together. "
OTHER = "Alcohol and ibuprofen should not be combined as a rule, since both may harm the lining of the stomach. "
TABLE = [
    ("Paris", "Paris", SAME),
    ("Paris", "paris.", SAME),
    ("**Paris**", "Paris", SAME),
    ("The Nile", "Nile", SAME),
    ("# Answer\n\n- one\n- two", "Answer\n* one\n* two", SAME),
    ("The answer is 42.", "the answer is **42**", SAME),
    ("1,000", "1000", SAME),
    ("2.1 million", "2,100,000", SAME),
    ("Five", "5", SAME),
    ("50%", "50 percent", SAME),
    ("Yes.", "Yes, it is.", SAME),
    ('{"a": 1, "b": "x"}', '{"b": "X", "a": 1}', SAME),
    ('```json\n{"a": 1}\n```', '{"a": 1}', SAME),
    ("```py\nx = 1  \n```", "```py\nx = 1\n```", SAME),
    ("Paris", "London", DIFFERENT),
    ("A", "B", DIFFERENT),
    ("positive", "negative", DIFFERENT),
    ("card_arrival", "card_lost", DIFFERENT),
    ("C", "C++", DIFFERENT),
    ("-5", "5", DIFFERENT),
    ("safe", "unsafe", DIFFERENT),
    ("safe", "not safe", DIFFERENT),
    ("5 km", "5 miles", DIFFERENT),
    ("1889", "1890", OPEN),
    ("1889", "1898", DIFFERENT),
    ("It was built in 1889.", "It was built in 1898.", DIFFERENT),
    ("100 mg", "120 mg", DIFFERENT),
    ("100 mg twice a day", "200 mg twice a day", DIFFERENT),
    ("Yes, " + LONG, "No. " + LONG, DIFFERENT),
    ("True", "False", DIFFERENT),
    ("Ja, natürlich.", "Nein.", DIFFERENT),
    ('{"label": "spam"}', '{"label": "ham"}', DIFFERENT),
    ('{"n": 3}', '{"n": 4}', DIFFERENT),
    ("東京", "大阪", DIFFERENT),
    (LONG, OTHER, OPEN),
    ("Yes, " + LONG, "Yes. " + OTHER, OPEN),
    ("No problem! " + LONG, "Yes, " + LONG, OPEN),
    ("Paris", "The capital of France is Paris.", OPEN),
    ("Paris", "Paris, France", OPEN),
    ("UN", "United Nations", OPEN),
    ("dog", "dogs", OPEN),
    ("São Paulo", "Sao Paulo", OPEN),
    ("3.14", "3.14159", OPEN),
    ("0.5", "50%", OPEN),
    ("1.000", "1000", OPEN),
    ("31 March 1889", "1889", OPEN),
    ("", "Paris", OPEN),
    ('{"a": 1}', '{"b": 1}', OPEN),
    ('{"p": 0.81}', '{"p": 0.79}', OPEN),
    ("```py\nx = 1\n```", "```py\nX = 1\n```", OPEN),
    ("if x:\n    y()\n    z()", "if x:\n    y()\nz()", OPEN),
    ("GPT-4 is a model made by OpenAI.", "GPT-4 was made by OpenAI.", OPEN),
    ("✓", "✗", OPEN),
]


@pytest.mark.parametrize(("first", "second", "likeness"), TABLE)
def test_the_verdict_is_the_cautious_one(first, second, likeness):
    assert compare_texts(first, second).likeness is likeness
    assert compare_texts(second, first).likeness is likeness


@given(st.text())
def test_every_text_says_what_it_says(text):
    assert compare_texts(text, f" {text}\n").likeness is SAME


@given(st.text(max_size=60), st.text(max_size=60))
def test_the_order_of_two_answers_does_not_matter(first, second):
    assert compare_texts(first, second) == compare_texts(second, first)


@given(st.lists(st.sampled_from(LONG.split()), min_size=14), st.lists(st.sampled_from(OTHER.split()), min_size=14))
def test_prose_is_never_called_different_for_its_words(first, second):
    assert compare_texts(" ".join(first), " ".join(second)).likeness is not DIFFERENT


def test_calls_of_tools_are_compared_by_name_and_arguments():
    call = Said("", (ToolUse("search", '{"q": "cats", "n": 3}'),))
    assert compare(call, Said("", (ToolUse("search", '{"n": 3,"q":"Cats"}'),))).likeness is SAME
    assert compare(call, Said("", (ToolUse("search", '{"q": "dogs", "n": 3}'),))).likeness is DIFFERENT
    assert compare(call, Said("", (ToolUse("lookup", '{"q": "cats", "n": 3}'),))).likeness is DIFFERENT
    assert compare(call, Said("I cannot search.")).likeness is OPEN


def test_a_refusal_is_no_other_answer():
    assert compare(Said("Paris"), Said("No.", refuses=True)).likeness is OPEN
