"""Model files: found in their packages, and checked against what the packages recorded."""

from __future__ import annotations

import base64
import hashlib
import sys
from pathlib import Path

import pytest

from synapse_standalone import weights
from synapse_standalone.errors import EXIT_UNAVAILABLE, CommandError
from synapse_standalone.weights import Weights

FAKE = Weights("fake-weights", "1.0", "fake_weights/model.gguf", "the fake model")


@pytest.fixture
def model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An installed package of one file."""
    file = tmp_path / "fake_weights" / "model.gguf"
    file.parent.mkdir()
    file.write_bytes(b"weights")
    digest = base64.urlsafe_b64encode(hashlib.sha256(b"weights").digest()).rstrip(b"=").decode()
    info = tmp_path / "fake_weights-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: fake-weights\nVersion: 1.0\n")
    (info / "RECORD").write_text(f"fake_weights/model.gguf,sha256={digest},7\n")
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    return file


def test_a_whole_file_is_found(model: Path, tmp_path: Path) -> None:
    assert weights.verify(FAKE, seen=tmp_path / "seen.json") == model
    assert weights.verify(FAKE, seen=tmp_path / "seen.json") == model


@pytest.mark.parametrize("content", [b"weight5", b"weig"])
def test_a_corrupt_file_is_told_with_what_to_run(model: Path, tmp_path: Path, content: bytes) -> None:
    weights.verify(FAKE, seen=tmp_path / "seen.json")
    model.write_bytes(content)
    with pytest.raises(CommandError, match="the fake model is corrupt") as raised:
        weights.verify(FAKE, seen=tmp_path / "seen.json")
    assert "fake-weights==1.0" in raised.value.remedy
    assert raised.value.status == EXIT_UNAVAILABLE


def test_a_lost_file_is_missing(model: Path) -> None:
    model.unlink()
    with pytest.raises(CommandError, match="is missing"):
        weights.locate(FAKE)


def test_a_package_that_is_not_installed_is_named() -> None:
    with pytest.raises(CommandError, match=r"no-such-weights 2\.0 is not installed"):
        weights.locate(Weights("no-such-weights", "2.0", "x", "it"))


def test_a_lost_note_costs_only_another_look(model: Path, tmp_path: Path) -> None:
    (tmp_path / "seen.json").write_text("not JSON")
    assert weights.verify(FAKE, seen=tmp_path / "seen.json") == model


@pytest.mark.parametrize("wanted", [weights.SMALL_MODEL, weights.EMBEDDER])
def test_the_real_weights_are_where_they_are_expected(wanted: Weights) -> None:
    assert weights.locate(wanted).stat().st_size > 50_000_000
