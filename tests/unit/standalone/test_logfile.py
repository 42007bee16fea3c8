"""A child's log: appended to by the child, bounded by us."""

from __future__ import annotations

import os
from pathlib import Path

from synapse_standalone.logfile import LogFile


def test_the_tail_is_the_current_runs(tmp_path: Path) -> None:
    log = LogFile(tmp_path / "x.log")
    for text in (b"first run\n", b"a\nb\nc\n"):
        handle = log.open()
        os.write(handle, text)
        os.close(handle)
    assert log.tail(10) == ["a", "b", "c"]
    assert log.tail(2) == ["b", "c"]


def test_a_long_log_is_moved_aside_and_the_child_writes_on(tmp_path: Path) -> None:
    log = LogFile(tmp_path / "x.log", max_bytes=10)
    handle = log.open()
    os.write(handle, b"more than ten bytes\n")
    log.trim()
    os.write(handle, b"new\n")
    os.close(handle)
    assert log.path.read_bytes() == b"new\n"
    assert (tmp_path / "x.log.1").read_bytes() == b"more than ten bytes\n"
    assert log.tail(5) == ["new"]


def test_a_short_log_is_left_alone_and_a_missing_one_is_empty(tmp_path: Path) -> None:
    log = LogFile(tmp_path / "x.log")
    log.trim()
    assert log.tail(5) == []
    os.close(log.open())
    log.trim()
    assert not (tmp_path / "x.log.1").exists()
