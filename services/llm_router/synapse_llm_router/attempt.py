"""One attempt of a request at a backend."""

from __future__ import annotations

from types import TracebackType
from typing import Self

from synapse_llm_router.backend import Backend
from synapse_llm_router.balancing import Target
from synapse_llm_router.faults import fault_of
from synapse_llm_router.ports import Terms
from synapse_runtime.errors import SynapseError


class Attempt:
    """A place at `backend`, taken already; leaving the block gives it back and tells the backend how it did.

    `streamed` is None for what is neither a whole answer nor a stream; `replaceable` says whether others could take
    over from the backend.
    """

    __slots__ = ("_replaceable", "_started", "_streamed", "_trial", "backend", "begun", "target", "terms")

    def __init__(
        self, backend: Backend, target: Target, terms: Terms, *, streamed: bool | None, replaceable: bool
    ) -> None:
        self.backend = backend
        self.target = target
        self.terms = terms
        self.begun = False
        self._streamed = streamed
        self._replaceable = replaceable
        self._trial = backend.breaker.begin()
        self._started = backend.clock()
        backend.request_count += 1
        backend.series.in_flight.inc()

    def answered(self) -> None:
        """The whole answer came, or the first event of a stream: from here on nobody else is asked."""
        seconds = self.backend.clock() - self._started
        if self._streamed:
            self.backend.series.first_event.observe(seconds)
        self.backend.answered(seconds, streamed=self._streamed, trial=self._trial)
        self.begun, self._trial = True, False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        backend = self.backend
        if error is None:
            if not self.begun:
                self.answered()
        elif isinstance(error, SynapseError):
            own_key = bool(self.terms.provider_key)
            backend.failed(error, fault_of(error), trial=self._trial, own_key=own_key, replaceable=self._replaceable)
        else:
            backend.dropped(trial=self._trial)
        backend.series.ended(error, backend.clock() - self._started)
        backend.series.in_flight.dec()
        backend.places.leave()
