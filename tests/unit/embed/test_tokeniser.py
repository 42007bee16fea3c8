"""Texts are counted and cut with the model's own tokenizer.json."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from synapse_embed.adapters.tokeniser import Tokeniser
from synapse_runtime.settings import SettingsError
from tests.support import minilm_texts

WINDOW = 12
LONG_WORD = "abcdefghijklmnopqrstuvwxyz" * 3
WORDS = st.sampled_from(
    ["a", "cat", LONG_WORD, "日本語", "Ünïcödé", "don't", "3.14", "🙂", "ﷺ", ",", "\n", "tokenisation"]
)


@pytest.fixture(scope="module")
def tokeniser() -> Tokeniser:
    return Tokeniser(minilm_texts.tokenizer(), WINDOW)


@settings(max_examples=200, deadline=None)
@given(words=st.lists(WORDS, min_size=1, max_size=40), glue=st.sampled_from([" ", ""]))
async def test_what_is_left_fits_and_is_the_beginning(tokeniser: Tokeniser, words: list[str], glue: str) -> None:
    text = glue.join(words)
    (fitted,), (ids,) = await tokeniser.fitted([text]), await tokeniser.ids([text])
    assert text.startswith(fitted.text)
    assert fitted.tokens <= WINDOW
    assert fitted.truncated == ids.truncated
    (again,) = await tokeniser.fitted([fitted.text])
    assert (again.text, again.tokens, again.truncated) == (fitted.text, fitted.tokens, False)
    if not fitted.truncated:
        assert fitted.text == text


async def test_words_are_cut_only_where_nothing_else_is_left(tokeniser: Tokeniser) -> None:
    between, inside = await tokeniser.fitted([f"one two {LONG_WORD} end", f"{LONG_WORD} end"])
    assert between.text == "one two"
    assert LONG_WORD.startswith(inside.text)
    assert inside.text


async def test_long_texts_are_read_beside_the_loop(tokeniser: Tokeniser) -> None:
    (fitted,) = await tokeniser.fitted(["cat " * 20_000])
    assert (fitted.text, fitted.tokens) == (("cat " * 10).rstrip(), WINDOW)


def test_a_file_that_is_missing_or_none_ends_the_start(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="cannot be read"):
        Tokeniser(tmp_path / "tokenizer.json", WINDOW)
    (tmp_path / "tokenizer.json").write_text("{}")
    with pytest.raises(SettingsError, match=r"no tokenizer\.json"):
        Tokeniser(tmp_path / "tokenizer.json", WINDOW)
