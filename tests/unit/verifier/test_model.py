"""The verifier's input and its export, on small made-up weights."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from scripts.verifier import combine, tensors
from synapse_cache.decision.alignment import KINDS, Mark, align
from synapse_cache.decision.canonical import tidy
from scripts.verifier.encode import by_length, pad
from synapse_cache.adapters.verifier_encoding import Encoder
from scripts.verifier.export import Precision, build, quantise
from scripts.verifier.features import NAMES, features
from scripts.verifier.score import Scorer
from scripts.verifier.streams import upper_bound

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


def scorer(weights, encoder, folder: Path, precision: Precision, batch: int) -> Scorer:
    path = folder / f"{precision}.onnx"
    path.write_bytes(build(weights, precision).SerializeToString())
    return Scorer(path, encoder, batch=batch)


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


def test_batches_hold_every_pair_once(encoder):
    encoded = [encoder(a, b) for a, b in PAIRS]
    assert sorted(place for places in by_length(encoded, 2) for place in places) == [0, 1, 2]
    ids, kinds, mask = pad(encoded)
    assert ids.shape == kinds.shape == mask.shape


def test_the_score_is_symmetric(weights, encoder, tmp_path):
    run = scorer(weights, encoder, tmp_path, Precision.FP32, 8)
    assert run(PAIRS) == pytest.approx(run([(b, a) for a, b in PAIRS]), abs=1e-5)


@pytest.mark.parametrize("precision", [Precision.FP32, Precision.STORED])
def test_a_score_does_not_hang_on_its_neighbours(weights, encoder, tmp_path, precision):
    together = scorer(weights, encoder, tmp_path, precision, 8)(PAIRS)
    alone = scorer(weights, encoder, tmp_path, precision, 1)(PAIRS)
    assert together == pytest.approx(alone, abs=1e-4)


@pytest.mark.parametrize("precision", [Precision.STORED, Precision.DYNAMIC])
def test_int8_stays_near_fp32(weights, encoder, tmp_path, precision):
    full = scorer(weights, encoder, tmp_path, Precision.FP32, 1)(PAIRS)
    assert scorer(weights, encoder, tmp_path, precision, 1)(PAIRS) == pytest.approx(full, abs=0.1)


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


def test_more_evidence_never_lowers_the_combined_score():
    rng = np.random.default_rng(2)
    rows = rng.normal(size=(400, 4))
    labels = (rows[:, 0] - rows[:, 1] + rng.normal(size=400) > 0).astype(np.int64)
    model = combine.fit(rows, labels, combine.balanced(labels, np.zeros(400, np.int64)))
    assert (model.weights >= 0).all()
    assert model.weights[0] > 0.5 > model.weights[1] == 0


def test_features_rate_a_repeat_above_its_near_miss():
    text = "can I return shoes after 14 days"
    repeat, miss = features(text, "Hi, " + text + "?", 0.9), features(text, text.replace("14", "40"), 0.9)
    assert repeat[NAMES.index("passes_veto")] > miss[NAMES.index("passes_veto")]
    assert repeat[NAMES.index("numbers")] > miss[NAMES.index("numbers")]


@pytest.mark.parametrize(("wrong", "trials", "bound"), [(0, 299, 0.00997), (1, 100, 0.0466)])
def test_the_upper_bound_is_clopper_pearsons(wrong, trials, bound):
    assert upper_bound(wrong, trials) == pytest.approx(bound, rel=0.01)
