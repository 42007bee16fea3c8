"""Laws of the veto that hold for every text."""

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from synapse_cache.decision import analyse, veto
from synapse_cache.decision.features import ANALYSIS_CACHE_PROMPTS
from synapse_cache.decision.numbers import read
from synapse_cache.decision.stems import lemma
from synapse_cache.decision.wordlist import word_list

TEXTS = st.text(max_size=120)
WORDS = st.sampled_from(
    word_list(
        "what is the capital of France from to before not never safe unsafe 12 3.5 Python C++ US us A may May flights "
        'largest and or in on with without I you my your he can must "x y" `f(1)` <<t>> , ? ! - + $ km 3pm U.S.'
    )
)
SENTENCES = st.lists(WORDS, min_size=1, max_size=14).map(" ".join)


@given(st.one_of(TEXTS, SENTENCES))
def test_a_text_is_never_vetoed_against_itself(text: str) -> None:
    assert veto(analyse(text), analyse(text)) is None


@given(st.one_of(TEXTS, SENTENCES), st.one_of(TEXTS, SENTENCES))
def test_the_veto_is_symmetric(a: str, b: str) -> None:
    assert veto(analyse(a), analyse(b)) is veto(analyse(b), analyse(a))


@given(SENTENCES)
def test_outer_space_and_double_space_change_nothing(text: str) -> None:
    reason = veto(analyse(text), analyse("  " + text.replace(" ", "  ") + " "))
    assert reason is None or "`" in text


@given(
    st.integers(0, 10**8 - 1),
    st.integers(0, 10**8 - 1),
    st.sampled_from(["room {}", "What is {} squared?", "the year {}"]),
)
def test_a_changed_number_is_vetoed(one: int, other: int, frame: str) -> None:
    a, b = analyse(frame.format(one)), analyse(frame.format(other))
    assert (veto(a, b) is None) == (one == other)


@given(st.text(string.digits, min_size=1, max_size=8), st.integers(0, 7), st.sampled_from(string.digits))
def test_one_changed_digit_is_vetoed(digits: str, place: int, digit: str) -> None:
    place %= len(digits)
    changed = digits[:place] + digit + digits[place + 1 :]
    a, b = analyse(f"How do I open locker {digits}?"), analyse(f"How do I open locker {changed}?")
    assert (veto(a, b) is None) == (digits == changed)


@given(st.lists(st.sampled_from(["lion", "tiger", "zebra", "panda", "otter"]), min_size=2, max_size=5))
def test_other_names_are_vetoed(names: list[str]) -> None:
    a = analyse("What do these eat: " + ", ".join(names))
    b = analyse("What do these eat: " + ", ".join([*names[:-1], "walrus"]))
    assert veto(a, b) is not None


@given(
    st.text(st.characters(categories=["Lo"]), min_size=2, max_size=20),
    st.text(st.characters(categories=["Lo"]), min_size=2),
)
def test_in_an_unknown_script_only_the_same_words_pass(one: str, other: str) -> None:
    same = one.casefold() == other.casefold()
    assert (veto(analyse(one), analyse(other)) is None) == same


@pytest.mark.parametrize(
    ("words", "value"),
    [
        ("two hundred five", "205"),
        ("twenty five", "25"),
        ("1.5 million", "1500000"),
        ("2,500", "2500"),
        ("three thousand two hundred", "3200"),
        ("five", "5"),
    ],
)
def test_numbers_are_read_as_people_write_them(words: str, value: str) -> None:
    tokens = words.split()
    assert read(tokens, 0) == (value, len(tokens))


@pytest.mark.parametrize(
    ("one", "other"),
    [("cities", "city"), ("organised", "organize"), ("travelling", "travel"), ("children", "kid"), ("knew", "know")],
)
def test_inflections_and_spellings_meet(one: str, other: str) -> None:
    assert lemma(one) == lemma(other)


@pytest.mark.parametrize(("one", "other"), [("new", "news"), ("care", "car"), ("singe", "sing"), ("hop", "hope")])
def test_words_that_only_look_alike_stay_apart(one: str, other: str) -> None:
    assert lemma(one) != lemma(other)


def test_the_analyses_kept_are_bounded() -> None:
    assert analyse.cache_info().maxsize == ANALYSIS_CACHE_PROMPTS
