"""Micro-batching: texts that wait at the same moment are computed together, and nothing ever waits for more.

Each worker takes what waits, one text of every request in turn, so that a long request does not hold up short ones.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import AsyncIterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass

from synapse_embed import metrics
from synapse_embed.errors import EncoderFailed, Overloaded, TextTooLong
from synapse_embed.model import ModelCard, Tokens, Vector
from synapse_embed.ports import LocalModel

_INLINE_CHARS = 4096
"""Text that is tokenised on the event loop; at most about a millisecond's worth."""
_PADDING_TOKENS = 1
"""Padding worth accepting per text for a larger batch; another call costs about as much as one or two tokens a text."""
_RETRY_SECONDS = 0.5
_log = logging.getLogger("synapse.embed")


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchLimits:
    """How much is computed at once and how much may wait.

    `workers` batches run at the same time, a core each; a batch holds up to `batch_texts` texts and `batch_tokens`
    tokens (one text always fits); `queue_texts` texts may wait.
    """

    workers: int = 2
    batch_texts: int = 32
    batch_tokens: int = 512
    queue_texts: int = 2048


class _Job:
    """One request: its texts that still wait, shortest first, and the vectors that are there."""

    __slots__ = ("done", "left", "vectors", "waiting")

    def __init__(self, tokens: Sequence[Tokens]) -> None:
        self.waiting = sorted(enumerate(tokens), key=lambda item: len(item[1].ids))
        self.vectors: list[Vector | None] = [None] * len(tokens)
        self.left = len(tokens)
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def fill(self, index: int, vector: Vector) -> None:
        self.vectors[index] = vector
        self.left -= 1
        if not self.left and not self.done.done():
            self.done.set_result(None)

    def fail(self, error: EncoderFailed) -> None:
        if not self.done.done():
            self.done.set_exception(error)


@dataclass(frozen=True, slots=True)
class _Item:
    job: _Job
    index: int
    tokens: Tokens


class Batcher:
    """An Encoder over a model in this process; made by `batching`."""

    def __init__(self, model: LocalModel, limits: BatchLimits, pool: ThreadPoolExecutor) -> None:
        self.card: ModelCard = model.card
        self._model = model
        self._limits = limits
        self._pool = pool
        self._jobs: deque[_Job] = deque()
        self._waiting = 0
        self._arrived = asyncio.Semaphore(0)

    async def encode(self, texts: Sequence[str], *, truncate: bool) -> list[Vector]:
        """See Encoder; a caller that is cancelled takes its waiting texts with it."""
        if not texts:
            return []
        self._admit(len(texts))
        tokens = await self._tokenise(texts)
        if not truncate:
            for index, item in enumerate(tokens):
                if item.truncated:
                    raise TextTooLong(index, self.card.max_tokens)
        self._admit(len(texts))
        job = _Job(tokens)
        self._enqueue(job)
        try:
            await job.done
        finally:
            self._leave(job)
        return [vector for vector in job.vectors if vector is not None]

    async def work(self) -> None:
        """Compute what waits, a batch at a time, until cancelled."""
        loop = asyncio.get_running_loop()
        while True:
            await self._arrived.acquire()
            items = self._take()
            if not items:
                continue
            try:
                values = await loop.run_in_executor(self._pool, self._compute, [item.tokens for item in items])
            except Exception as error:  # noqa: BLE001  # the task's outer edge: one bad batch must not end the worker
                self._fail(items, error)
                continue
            for item, raw in zip(items, values, strict=True):
                item.job.fill(item.index, Vector(raw, len(item.tokens.ids), item.tokens.truncated))

    def _admit(self, texts: int) -> None:
        if self._waiting + texts > self._limits.queue_texts:
            raise Overloaded(f"{self._waiting} texts are waiting already", retry_after_seconds=_RETRY_SECONDS)

    async def _tokenise(self, texts: Sequence[str]) -> list[Tokens]:
        if sum(map(len, texts)) <= _INLINE_CHARS:
            return [self._model.tokenise(text) for text in texts]
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._pool, lambda: [self._model.tokenise(text) for text in texts])

    def _enqueue(self, job: _Job) -> None:
        self._jobs.append(job)
        self._count(len(job.waiting))
        self._arrived.release()

    def _leave(self, job: _Job) -> None:
        if job.waiting:
            self._jobs.remove(job)
            self._count(-len(job.waiting))

    def _count(self, change: int) -> None:
        self._waiting += change
        metrics.QUEUE_TEXTS.set(self._waiting)

    def _take(self) -> list[_Item]:
        """The next batch, one text of each request in turn; wakes another worker when more is left."""
        items: list[_Item] = []
        tokens = 0
        while self._jobs and len(items) < self._limits.batch_texts:
            job = self._jobs[0]
            tokens += len(job.waiting[-1][1].ids)
            if items and tokens > self._limits.batch_tokens:
                break
            items.append(_Item(job, *job.waiting.pop()))
            self._jobs.rotate(-1)
            if not job.waiting:
                self._jobs.pop()
        self._count(-len(items))
        if self._jobs:
            self._arrived.release()
        return items

    def _compute(self, batch: list[Tokens]) -> list[bytes]:
        """In a worker's thread: the batch in groups of about equal length, results in the batch's order."""
        order = sorted(range(len(batch)), key=lambda position: len(batch[position].ids))
        values: list[bytes] = [b""] * len(batch)
        for group in _groups(order, [len(tokens.ids) for tokens in batch]):
            metrics.BATCH_TEXTS.observe(len(group))
            with metrics.ENCODE_SECONDS.time():
                computed = self._model.encode([batch[position] for position in group])
            for position, raw in zip(group, computed, strict=True):
                values[position] = raw
        return values

    def _fail(self, items: list[_Item], error: Exception) -> None:
        metrics.ERRORS.labels("synapse_encoder").inc()
        _log.error("encoding failed", extra={"texts": len(items)}, exc_info=error)
        for item in items:
            failure = EncoderFailed("the model failed on this batch", reason="ENCODER_FAILED")
            failure.__cause__ = error
            item.job.fail(failure)


def _groups(order: Sequence[int], lengths: Sequence[int]) -> list[list[int]]:
    """`order` (by length) cut into groups whose padding stays within a token per text on average."""
    groups: list[list[int]] = []
    group: list[int] = []
    tokens = 0
    for position in order:
        size, length = len(group) + 1, lengths[position]
        if group and size * length - (tokens + length) > size * _PADDING_TOKENS:
            groups.append(group)
            group, tokens = [], 0
        group.append(position)
        tokens += length
    groups.append(group)
    return groups


@asynccontextmanager
async def batching(model: LocalModel, limits: BatchLimits) -> AsyncIterator[Batcher]:
    """A Batcher over `model`, working until the block ends."""
    tokenising = 1  # long texts must not wait for a batch to end
    with ThreadPoolExecutor(limits.workers + tokenising, thread_name_prefix="encode") as pool:
        batcher = Batcher(model, limits, pool)
        # No TaskGroup: it would wrap the block's own errors, and the process reads those to choose its exit status.
        workers = [asyncio.create_task(batcher.work()) for _ in range(limits.workers)]
        try:
            yield batcher
        finally:
            for worker in workers:
                worker.cancel()
            await asyncio.wait(workers)
