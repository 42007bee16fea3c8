"""Where vectors come from: the embedder of the model that a backend has at present."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

from synapse_embed import metrics
from synapse_embed.embedder import Embedder
from synapse_embed.errors import BackendMisfit, EmbedError, EncoderDown, Overloaded, TooSlow
from synapse_embed.model import ModelCard
from synapse_embed.ports import Backend, Encoder
from synapse_embed.remote import RemoteEncoder, RemoteLimits

_FIRST_RETRY_SECONDS = 0.25
_LAST_RETRY_SECONDS = 5.0
_FAILED_CHECKS = 3
T = TypeVar("T")
_log = logging.getLogger("synapse.embed")


class Source:
    """A backend and the embedder over it; `make` puts an embedder over an encoder.

    `dimension` is what the vectors must have, None takes what comes. `measured` says whether the metrics tell of it.
    """

    def __init__(
        self,
        backend: Backend,
        limits: RemoteLimits,
        make: Callable[[Encoder], Embedder],
        *,
        dimension: int | None = None,
        measured: bool = True,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._measured = measured
        self._backend = backend
        self._limits = limits
        self._make = make
        self._dimension = dimension
        self._clock = clock
        self._encoder: RemoteEncoder | None = None
        self._embedder: Embedder | None = None

    @property
    def embedder(self) -> Embedder:
        """The embedder of the present model; raises EncoderDown before the first `connect`."""
        if self._embedder is None:
            raise EncoderDown("the embedding backend has not answered yet")
        return self._embedder

    async def connect(self, *, within_seconds: float) -> None:
        """Wait for the backend, which may be loading its model.

        Raises BackendMisfit or EncoderFailed at once for one that is not what the settings say, the last error when
        the time is over.
        """
        await patiently(self._look, within_seconds=within_seconds, clock=self._clock)

    async def watch(self, *, every_seconds: float, tell: Callable[[bool], Awaitable[None]]) -> None:
        """Look after the backend until cancelled; `tell` is told whether it answers, and as the settings say.

        It looks when `every_seconds` have passed (0: never) and at once when another model was found.
        """
        failed = 0
        while True:
            changed = await self._changed(every_seconds)
            try:
                await self._look()
            except EmbedError as error:
                failed += 1
                if failed == _FAILED_CHECKS or isinstance(error, BackendMisfit):
                    _log.error("the embedding backend cannot be used", extra={"cause": error.message})
                    self._measure(up=False)
                    await tell(False)
                if changed:
                    await asyncio.sleep(_LAST_RETRY_SECONDS)
            else:
                if failed >= _FAILED_CHECKS:
                    _log.info("the embedding backend answers again")
                failed = 0
                await tell(True)

    async def _changed(self, every_seconds: float) -> bool:
        """Wait for the next reason to look; whether it is that the model changed."""
        changed = self._encoder.changed if self._encoder else asyncio.Event()
        try:
            async with asyncio.timeout(every_seconds or None):
                await changed.wait()
        except TimeoutError:
            return False
        return True

    async def _look(self) -> None:
        """Ask the backend what it is, and put a new embedder over it when it is not what it was."""
        doubts = self._backend.doubts
        try:
            card = await self._fitting()
        except BackendMisfit:
            if self._encoder is not None:
                self._encoder.changed.set()
            raise
        self._measure(up=True)
        if self._encoder is not None:
            if card.fingerprint == self._encoder.card.fingerprint and not self._encoder.changed.is_set():
                return
            metrics.MODEL_CHANGES.inc()
            extra = {"was": self._encoder.card.fingerprint, "now": card.fingerprint}
            _log.warning("the backend's model changed: its vectors are another space from now on", extra=extra)
            self._encoder.changed.set()
        self._encoder = RemoteEncoder(self._backend, card, self._limits, doubts=doubts)
        self._embedder = self._make(self._encoder)

    def _measure(self, *, up: bool) -> None:
        if self._measured:
            metrics.BACKEND_UP.set(up)

    async def _fitting(self) -> ModelCard:
        card = await self._backend.describe()
        if self._dimension is not None and card.dimension != self._dimension:
            raise BackendMisfit(
                f"embed.dimension is {self._dimension}, but the vectors of {card.id} have {card.dimension} dimensions"
            )
        return card


async def patiently(
    ask: Callable[[], Awaitable[T]], *, within_seconds: float, clock: Callable[[], float] = time.monotonic
) -> T:
    """The result of `ask()`, tried again while a backend is not there yet; its last error when the time is over."""
    deadline = clock() + within_seconds
    pause = _FIRST_RETRY_SECONDS
    while True:
        try:
            return await ask()
        except (EncoderDown, TooSlow, Overloaded) as error:
            if clock() + pause > deadline:
                raise
            _log.warning("the embedding backend does not answer yet", extra={"cause": error.message})
        await asyncio.sleep(pause)
        pause = min(pause * 2, _LAST_RETRY_SECONDS)
