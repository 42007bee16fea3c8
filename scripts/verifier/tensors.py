"""Reads float tensors of a safetensors file with numpy alone."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

Tensors = dict[str, NDArray[np.float32]]


def read(path: Path, names: frozenset[str] | None = None) -> Tensors:
    """The float32 tensors of a file, all or those of `names`; raises ValueError for another type."""
    data = path.read_bytes()
    size = int.from_bytes(data[:8], "little")
    found: Tensors = {}
    for name, entry in json.loads(data[8 : 8 + size]).items():
        if name == "__metadata__" or (names is not None and name not in names):
            continue
        if entry["dtype"] != "F32":
            raise ValueError(f"{name} is {entry['dtype']}, not F32")
        begin, end = entry["data_offsets"]
        found[name] = np.frombuffer(data[8 + size + begin : 8 + size + end], np.float32).reshape(entry["shape"])
    return found
