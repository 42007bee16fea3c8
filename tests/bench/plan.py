"""What is measured: every step by its name, in the order of a round."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import cycle
from typing import TypeAlias

from tests.bench import floors
from tests.bench.backends import STREAMED_MODEL, model_of
from tests.bench.doors import Ask, Door
from tests.bench.driver import drive
from tests.bench.figures import Figures
from tests.bench.questions import Question, known, reworded, unheard
from tests.bench.tongues import CLIENT_TONGUES
from tests.bench.upstream.pace import PACED
from tests.bench.world import World

_FILL_SECONDS = 60.0
_FILL_CONCURRENCY = 4
_PACED_SECONDS = 2.0
"""Longer runs of paced streams: each lasts a fifth of a second."""
Step: TypeAlias = Callable[[float], Awaitable[Figures]]


@dataclass
class Plan:
    """The steps over one world; every question that must be new comes from one source, so that it is new."""

    world: World
    new_wordings: Iterator[Question] = field(default_factory=reworded)
    new_questions: Iterator[Question] = field(default_factory=unheard)
    embedded: dict[str, tuple[int, float]] = field(default_factory=dict)
    """Batch size and texts a second that the embed service saw last, by step."""

    async def prepare(self) -> None:
        """Ask everything that later has to be a hit, as often as it takes."""
        for door in map(self.world.door_in, CLIENT_TONGUES):
            for model, stream in (("bench", False), (STREAMED_MODEL, True)):
                asks = list(door.asks(known(), model=model, stream=stream))
                for _ in range(2):
                    await drive(door.port, iter(asks), concurrency=_FILL_CONCURRENCY, seconds=_FILL_SECONDS)
                    await self.world.settle()

    def steps(self) -> Mapping[str, Step]:
        """All steps by name; `c16` is sixteen connections."""
        steps: dict[str, Step] = {}
        for level in (1, 16, 64):
            steps[f"fastapi-c{level}"] = self._fastapi(level)
            steps[f"redis-get-c{level}"] = self._redis(level)
            steps[f"exact-c{level}"] = self.hits(self.world.door, level)
        for level in (1, 16):
            steps[f"streamed-hit-c{level}"] = self.hits(self.world.door, level, model=STREAMED_MODEL, stream=True)
            steps[f"semantic-c{level}"] = self._semantic(level)
            steps[f"embedder-c{level}"] = self._embedder(level)
            steps[f"embed-rpc-c{level}"] = self._embed_rpc(level)
            steps[f"embeddings-c{level}"] = self._embeddings(level)
            steps[f"direct-c{level}"] = self.new(Door(self.world.upstream.port), level)
            steps[f"miss-c{level}"] = self.new(self.world.door, level)
            strict = self.world.door_in("chat", ("x-synapse-max-error", "0"))
            steps[f"exact-miss-c{level}"] = self.new(strict, level)
            steps[f"hedged-miss-c{level}"] = self.new(self.world.hedged_door, level)
            steps[f"direct-stream-c{level}"] = self._paced(Door(self.world.upstream.port, root=PACED.segment), level)
            steps[f"streamed-miss-c{level}"] = self._paced(self.world.door, level)
            steps[f"hedged-streamed-miss-c{level}"] = self._paced(self.world.hedged_door, level)
        return steps

    def hits(self, door: Door, level: int, *, model: str = "bench", stream: bool = False) -> Step:
        """The fifty questions again and again."""
        asks = list(door.asks(known(), model=model, stream=stream))
        return self._step(door.port, lambda: cycle(asks), level)

    def new(self, door: Door, level: int, *, model: str = "bench") -> Step:
        """Questions that nobody asked before."""
        return self._step(door.port, lambda: door.asks(self.new_questions, model=model), level)

    def _fastapi(self, level: int) -> Step:
        port = self.world.app.port
        asks = [
            Door(port).post(
                Door(port).tongue.path, {"messages": [{"role": "user", "content": known()[0].text}]}, b"choices"
            )
        ]
        return self._step(port, lambda: cycle(asks), level)

    def _redis(self, level: int) -> Step:
        return lambda seconds: floors.redis_get(self.world, concurrency=level, seconds=seconds)

    def _semantic(self, level: int) -> Step:
        run = self._step(self.world.mesh.port, lambda: self.world.door.asks(self.new_wordings), level)

        async def step(seconds: float) -> Figures:
            before = self.world.mesh.metrics("embed")
            seen = await run(seconds)
            batch = floors.mean_batch(before, self.world.mesh.metrics("embed"))
            self.embedded[f"c{level}"] = max(1, round(batch)), seen.rps
            return seen

        return step

    def _embedder(self, level: int) -> Step:
        async def step(seconds: float) -> Figures:
            batch, rate = self.embedded.get(f"c{level}", (1, 0.0))
            return await floors.embedder(batch=batch, rate=rate, seconds=seconds)

        return step

    def _embed_rpc(self, level: int) -> Step:
        return lambda seconds: floors.embed_rpc(self.world, concurrency=level, seconds=seconds)

    def _embeddings(self, level: int) -> Step:
        door = self.world.door
        bodies = ({"model": "all-MiniLM-L6-v2", "input": question.text} for question in self.new_wordings)
        return self._step(
            door.port, lambda: (door.post("/v1/embeddings", body, b'"embedding":[') for body in bodies), level
        )

    def _paced(self, door: Door, level: int) -> Step:
        model = model_of("openai", PACED)
        run = self._step(door.port, lambda: door.asks(self.new_questions, model=model, stream=True), level)
        return lambda seconds: run(seconds + _PACED_SECONDS)

    def _step(self, port: int, asks: Callable[[], Iterator[Ask]], level: int) -> Step:
        return lambda seconds: self.world.measure(port, asks(), concurrency=level, seconds=seconds)


def added(through: Figures, direct: Figures) -> Figures:
    """What the mesh added to a direct run of the same round."""
    return replace(
        through,
        p50_ms=through.p50_ms - direct.p50_ms,
        p99_ms=through.p99_ms - direct.p99_ms,
        first_p50_ms=through.first_p50_ms - direct.first_p50_ms,
        first_p99_ms=through.first_p99_ms - direct.first_p99_ms,
        lag_p50_ms=through.lag_p50_ms - direct.lag_p50_ms,
        lag_p99_ms=through.lag_p99_ms - direct.lag_p99_ms,
    )
