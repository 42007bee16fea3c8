"""The verifier's input and its export, on small made-up weights."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from scripts.verifier import tensors
from scripts.verifier.calibrate import recall
from scripts.verifier.encode import pad
from scripts.verifier.export import Precision, build, quantise

from synapse_cache.adapters.verifier_encoding import Encoder
from synapse_cache.adapters.verifier_onnx import OnnxVerifier
from synapse_cache.decision.alignment import KINDS, Mark, align
from synapse_cache.decision.canonical import tidy
from synapse_embed.adapters import minilm_files

WIDTH = 384
PAIRS = [
    ("is it safe to drive", "Is it unsafe to drive?"),
    ("sort a list", "please sort that long list now"),
    ("a", "b"),
]


@pytest.fixture(scope="module")
def encoder() -> Encoder:
    return Encoder(minilm_files.find().tokeniser)


@pytest.fixture(scope="module")
def weights() -> tensors.Tensors:
    rng = np.random.default_rng(0)

    def made(*shape: int) -> np.ndarray:
        return rng.normal(0, 0.05, shape).astype(np.float32)

    found = {"words": made(30522, WIDTH), "positions": made(256, WIDTH), "kinds": made(KINDS, WIDTH)}
    found |= {"head.weight": made(1, 2 * WIDTH), "head.bias": made(1)}
    shapes = {"0.qkv": (3 * WIDTH, WIDTH), "0.out": (WIDTH, WIDTH), "0.wide": (1536, WIDTH), "0.narrow": (WIDTH, 1536)}
    for name, shape in shapes.items():
        found |= {f"{name}.weight": made(*shape), f"{name}.bias": made(shape[0])}
    for name in ("norm", "0.norm1", "0.norm2"):
        found |= {f"{name}.weight": 1 + made(WIDTH), f"{name}.bias": made(WIDTH)}
    return found


def logits(weights: tensors.Tensors, folder: Path, precision: Precision) -> list[float | None]:
    """What the exported model says of PAIRS."""
    (folder / "verifier.onnx").write_bytes(build(weights, precision).SerializeToString())
    shutil.copyfile(minilm_files.find().tokeniser, folder / "tokenizer.json")
    verifier = OnnxVerifier(folder)
    return [verifier.logit(a, b) for a, b in PAIRS]


def test_words_are_marked_by_where_they_meet():
    a, b = align(["fly", "to", "rome", "from", "oslo"], ["fly", "to", "oslo", "from", "rome"])
    assert a[0] is b[0] is Mark.SAME
    assert Mark.MOVED in a


def test_inflections_are_near():
    a, b = align(["uk", "cities"], ["uk", "city"])
    assert a == b == [Mark.SAME, Mark.NEAR]


def test_numbers_negations_and_opposites_stand_out():
    a, b = align(["is", "5", "safe"], ["is", "7", "unsafe", "not"])
    assert a == [Mark.SAME, Mark.NUMBER, Mark.OPPOSED]
    assert b == [Mark.SAME, Mark.NUMBER, Mark.OPPOSED, Mark.OPPOSED]


@pytest.mark.parametrize(
    ("a", "b", "moved"),
    [
        ("does ann see bob", "is bob seen by ann", False),
        ("does ann see bob", "is ann seen by bob", True),
        ("fly to rome from oslo", "fly from oslo to rome", False),
        ("fly to rome from oslo", "fly from rome to oslo", True),
        ("is he a nurse or a cook", "is he a cook or a nurse", False),
    ],
)
def test_only_words_that_change_their_role_show_as_moved(a, b, moved):
    marks, _ = align(a.split(), b.split())
    assert (Mark.MOVED in marks) == moved


@pytest.mark.parametrize(
    ("text", "tidied"),
    [
        ("over 1,500 or 120k", "over 1500 or 120000"),
        ("twenty-five euros at 3 p.m.", "25 euros at 3 pm"),
        ("5 percent of one thousand", "5 % of 1000"),
        ("one of them", "one of them"),
    ],
)
def test_numbers_are_tidied(text, tidied):
    assert tidy(text) == tidied


def test_sides_have_marks_of_their_own(encoder):
    found = encoder("sort it", "sort it")
    assert found.kinds == [0, 1, 1, 0, 7, 7, 0]
    assert len(found.ids) == len(found.kinds)


def test_a_long_text_is_cut(encoder):
    assert len(encoder("word " * 500, "word " * 500).ids) == 2 * 62 + 3


def test_a_batch_is_as_wide_as_its_longest_pair(encoder):
    encoded = [encoder(a, b) for a, b in PAIRS]
    ids, kinds, mask = pad(encoded)
    assert ids.shape == kinds.shape == mask.shape == (3, max(len(one.ids) for one in encoded))


@pytest.mark.parametrize("precision", [Precision.STORED, Precision.DYNAMIC])
def test_int8_stays_near_fp32(weights, tmp_path, precision):
    assert logits(weights, tmp_path, precision) == pytest.approx(logits(weights, tmp_path, Precision.FP32), abs=0.1)


def test_a_pair_of_which_the_model_cannot_see_all_gets_no_word(weights, tmp_path):
    logits(weights, tmp_path, Precision.STORED)
    assert OnnxVerifier(tmp_path).logit("sort a list", "sort " + "word " * 80) is None


def test_int8_keeps_every_row_within_half_a_step():
    weight = np.random.default_rng(1).normal(size=(5, 7)).astype(np.float32)
    table, scale = quantise(weight, axis=1)
    assert np.abs(table * scale - weight).max() <= scale.max() / 2 + 1e-6


def test_safetensors_are_read_back(tmp_path):
    array = np.arange(6, dtype=np.float32).reshape(2, 3)
    header = json.dumps({"x": {"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24]}}).encode()
    (tmp_path / "t").write_bytes(len(header).to_bytes(8, "little") + header + array.tobytes())
    assert tensors.read(tmp_path / "t")["x"].tolist() == array.tolist()
    assert tensors.read(tmp_path / "t", frozenset({"y"})) == {}


def test_recall_counts_the_right_pairs_above_the_wrong_ones():
    scores, same = np.array([4.0, 3.0, 2.0, 1.0]), np.array([True, False, True, True])
    assert recall(scores, same, 0.0) == pytest.approx(1 / 3)
    assert recall(scores, same, 1.0) == 1.0
