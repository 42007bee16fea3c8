"""Ids of requests and answers."""

from __future__ import annotations

import re
import subprocess
import sys

from synapse_runtime.ids import fresh_id


def test_ids_have_their_prefix_and_96_bits() -> None:
    assert re.fullmatch(r"req_[0-9a-f]{24}", fresh_id("req_"))


def test_ids_are_all_different() -> None:
    assert len({fresh_id("") for _ in range(10_000)}) == 10_000


def test_two_processes_make_different_ids() -> None:
    script = "from synapse_runtime.ids import fresh_id; print(fresh_id(''))"
    made = {subprocess.run([sys.executable, "-c", script], capture_output=True, check=True).stdout for _ in range(2)}
    assert len(made) == 2
