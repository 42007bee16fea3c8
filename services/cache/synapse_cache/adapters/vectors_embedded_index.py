"""The part of the embedded vector store that is searched: 8-bit codes in memory, compared one by one.

A code is the vector divided by its largest component and rounded to 1/127, one byte each; the divisor is kept, so that
code times divisor is the vector again within 0.4 % of it. Comparing all of them finds the right candidates at a quarter
of the memory traffic of float32; their exact order comes from the vectors on disk.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

import numkong
import numpy as np
import numpy.typing as npt

from synapse_cache.model import Place

if TYPE_CHECKING:
    from synapse_cache.model import Vector

T = TypeVar("T")
Spot = tuple[Place, str]
"""A place and a scope: what is searched together."""
CODE_ERROR = 0.02
"""How far the similarity of a code may lie from the vector's own: 0.003 on sentences, 0.008 on spiky ones."""
_STEPS = 127
_FIRST_CAPACITY = 16
_DEAD = -np.inf
_KEEP_OF_FULL = 7 / 8
_ROW_BYTES = 4 + 8 + 8
_PARTITION_BYTES = 1500
"""What a partition costs beyond its rows."""


@dataclass(frozen=True, slots=True)
class Row:
    """One entry as the index needs it: its number (ever growing), its code with its divisor, its end of life."""

    number: int
    code: bytes
    scale: float
    expires_at: float


@dataclass(frozen=True, slots=True)
class _Arrays:
    """Parallel arrays, longer than what is in use; grown by copying, so that a reader's are never resized."""

    codes: npt.NDArray[np.int8]
    scales: npt.NDArray[np.float32]
    expiries: npt.NDArray[np.float64]
    numbers: npt.NDArray[np.int64]

    @classmethod
    def empty(cls, capacity: int, dimension: int) -> _Arrays:
        return cls(
            np.empty((capacity, dimension), np.int8),
            np.empty(capacity, np.float32),
            np.empty(capacity, np.float64),
            np.empty(capacity, np.int64),
        )

    def copy_rows(self, source: _Arrays, rows: npt.NDArray[np.intp]) -> None:
        for mine, other in zip(self._all(), source._all(), strict=True):
            mine[: len(rows)] = other[rows]

    def _all(self) -> tuple[npt.NDArray[np.generic], ...]:
        return self.codes, self.scales, self.expiries, self.numbers


def encode(vector: Vector) -> tuple[bytes, float]:
    """The code of a vector, one byte a component, and its divisor."""
    code, scale = _encode(vector)
    return code.tobytes(), scale


def _encode(vector: Vector) -> tuple[npt.NDArray[np.int8], float]:
    scale = float(np.abs(vector).max()) / _STEPS
    return np.rint(vector / (scale or 1.0)).astype(np.int8), scale


class Partition:
    """The entries of one place and scope. Written under the index's lock, read without one."""

    def __init__(self, dimension: int, *, max_rows: int) -> None:
        self._dimension = dimension
        self._max_rows = max_rows
        self._state = (_Arrays.empty(0, dimension), 0)
        self._dead = 0
        self._newest = 0
        self.used_at = 0

    def __len__(self) -> int:
        return self._state[1]

    @property
    def bytes(self) -> int:
        """Memory held."""
        return _PARTITION_BYTES + len(self._state[0].scales) * (self._dimension + _ROW_BYTES)

    def nearest(self, vector: Vector, *, limit: int, min_similarity: float, now: float) -> list[int]:
        """Numbers of live entries that may be among the `limit` nearest and not below `min_similarity`."""
        arrays, count = self._state
        if not count:
            return []
        code, scale = _encode(vector)
        dots = np.asarray(numkong.cdist(code[None], arrays.codes[:count], metric="dot"))[0]
        similarities = dots * arrays.scales[:count]
        similarities *= scale
        chosen = np.flatnonzero((similarities >= min_similarity - CODE_ERROR) & (arrays.expiries[:count] > now))
        if len(chosen) > limit:
            chosen = chosen[np.argpartition(similarities[chosen], -limit)[-limit:]]
        return [int(number) for number in arrays.numbers[chosen]]

    def add(self, rows: Sequence[Row]) -> None:
        """Take rows newer than all it has; others are here already. Beyond its bound the oldest leave."""
        fresh = [row for row in rows if row.number > self._newest]
        for start in range(0, len(fresh), self._max_rows):
            self._append(fresh[start : start + self._max_rows])

    def _append(self, rows: Sequence[Row]) -> None:
        if not rows:
            return
        self._reserve(len(rows))
        arrays, count = self._state
        end = count + len(rows)
        codes = np.frombuffer(b"".join(row.code for row in rows), np.int8)
        arrays.codes[count:end] = codes.reshape(len(rows), self._dimension)
        arrays.scales[count:end] = [row.scale for row in rows]
        arrays.expiries[count:end] = [row.expires_at for row in rows]
        arrays.numbers[count:end] = [row.number for row in rows]
        self._newest = rows[-1].number
        self._state = (arrays, end)

    def kill(self, numbers: Sequence[int]) -> None:
        """Hide rows from every search that begins after this."""
        arrays, count = self._state
        gone = np.isin(arrays.numbers[:count], np.asarray(numbers, np.int64))
        arrays.expiries[:count][gone] = _DEAD
        self._dead += int(gone.sum())
        if self._dead > max(_FIRST_CAPACITY, count // 4):
            self._rebuild(np.flatnonzero(arrays.expiries[:count] != _DEAD), extra=0)

    def _reserve(self, more: int) -> None:
        arrays, count = self._state
        if count + more <= len(arrays.scales):
            return
        alive = np.flatnonzero(arrays.expiries[:count] != _DEAD)
        if len(alive) + more > self._max_rows:
            keep = min(int(self._max_rows * _KEEP_OF_FULL), self._max_rows - more)
            alive = alive[max(0, len(alive) - keep) :]
        self._rebuild(alive, extra=more)

    def _rebuild(self, rows: npt.NDArray[np.intp], *, extra: int) -> None:
        needed = len(rows) + extra
        capacity = min(max(_FIRST_CAPACITY, needed + needed // 4), max(self._max_rows, needed))
        arrays = _Arrays.empty(capacity, self._dimension)
        arrays.copy_rows(self._state[0], rows)
        self._state = (arrays, len(rows))
        self._dead = 0


class Index:
    """Partitions by place and scope, loaded when first searched; the longest unused leave when memory is short.

    `get` may be called from any thread; the other methods take a lock and belong off the event loop. One place and
    scope gets no more than the whole memory: of larger ones only the newest entries are searched.
    """

    def __init__(self, dimension: int, *, memory_limit_bytes: int) -> None:
        self._dimension = dimension
        self._limit = memory_limit_bytes
        self.max_rows = max(_FIRST_CAPACITY, memory_limit_bytes // (dimension + _ROW_BYTES))
        self._partitions: dict[Spot, Partition] = {}
        self._lock = threading.Lock()
        self._clock = 0
        self.bytes = 0

    def get(self, spot: Spot) -> Partition | None:
        """The partition if it is in memory."""
        partition = self._partitions.get(spot)
        if partition is not None:
            self._clock += 1
            partition.used_at = self._clock
        return partition

    def load(self, spot: Spot, read: Callable[[], Sequence[Row]]) -> Partition:
        """The partition, filled with what `read` gives (oldest first) when it is not in memory."""
        with self._lock:
            partition = self.get(spot)
            if partition is None:
                partition = Partition(self._dimension, max_rows=self.max_rows)
                partition.add(read())
                self._partitions[spot] = partition
                self.bytes += partition.bytes
                self.get(spot)
                self._evict(keep=spot)
            return partition

    def add(self, rows: Mapping[Spot, Sequence[Row]]) -> None:
        """Rows that are on disk now, oldest first; those of partitions not in memory come with the next load."""
        self._change(rows, Partition.add)

    def kill(self, numbers: Mapping[Spot, Sequence[int]]) -> None:
        """Numbers of rows that are gone from the disk."""
        self._change(numbers, Partition.kill)

    def _change(self, items: Mapping[Spot, Sequence[T]], change: Callable[[Partition, Sequence[T]], None]) -> None:
        with self._lock:
            for spot, those in items.items():
                partition = self._partitions.get(spot)
                if partition is not None:
                    before = partition.bytes
                    change(partition, those)
                    self.bytes += partition.bytes - before
                    self._evict(keep=spot)

    def _evict(self, *, keep: Spot) -> None:
        if self.bytes <= self._limit:
            return
        for spot in sorted(self._partitions, key=lambda spot: self._partitions[spot].used_at):
            if spot != keep:
                self.bytes -= self._partitions.pop(spot).bytes
            if self.bytes <= self._limit * _KEEP_OF_FULL:
                return
