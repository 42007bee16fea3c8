"""A graph on disk is whole or it is not there."""

from __future__ import annotations

from pathlib import Path

import pytest

from synapse_embed.adapters.graph_file import GraphFile

GRAPH = bytes(range(256)) * 8


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "deep" / "x.graph"
    GraphFile(path).write(GRAPH)
    return path


def test_what_was_written_is_read(path: Path) -> None:
    assert GraphFile(path).read() == GRAPH
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize("size", [0, 10, 32, 33, 1000, 32 + len(GRAPH) - 1])
def test_a_truncated_file_is_not_read(path: Path, size: int) -> None:
    path.write_bytes(path.read_bytes()[:size])
    assert GraphFile(path).read() is None


@pytest.mark.parametrize("place", [0, 31, 32, 500, 32 + len(GRAPH) - 1])
def test_a_changed_byte_is_noticed(path: Path, place: int) -> None:
    content = bytearray(path.read_bytes())
    content[place] ^= 1
    path.write_bytes(content)
    assert GraphFile(path).read() is None


def test_nothing_is_read_where_nothing_is(tmp_path: Path) -> None:
    assert GraphFile(tmp_path / "none").read() is None
    assert GraphFile(tmp_path).read() is None


def test_a_failed_write_leaves_nothing_behind(tmp_path: Path) -> None:
    (tmp_path / "x.graph").mkdir()
    with pytest.raises(OSError):
        GraphFile(tmp_path / "x.graph").write(GRAPH)
    assert [path.name for path in tmp_path.iterdir()] == ["x.graph"]
