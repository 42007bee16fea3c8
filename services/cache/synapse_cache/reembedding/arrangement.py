"""The vector spaces as a plan of re-embedding wants them: which serves, which is written to beside it, which goes."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from synapse_cache.ports import StoreUnavailable
from synapse_cache.reembedding.carrying import Carrying
from synapse_cache.vector_space import VectorSpace

if TYPE_CHECKING:
    from synapse_cache.model import Embedding
    from synapse_cache.ports import Embedder, Embedders
    from synapse_cache.reembedding.reembedding import Plan, Space
    from synapse_cache.reembedding.spaces import Spaces
    from synapse_cache.vector_space import OpenStore

_log = logging.getLogger("synapse.cache.migration")


class Arrangement:
    """Opens spaces, and lays them into `spaces`; what is open already is used again."""

    def __init__(self, spaces: Spaces, embedders: Embedders, open_store: OpenStore) -> None:
        self.spaces = spaces
        self.embedders = embedders
        self._open_store = open_store

    async def lay(self, plan: Plan) -> None:
        """Let requests be answered from the one space and stored in both; others are closed."""
        spaces = self.spaces
        known = {space.fingerprint: space for space in (spaces.serving, spaces.beside) if space is not None}
        serving = known.pop(plan.serving.fingerprint, None) or self._made(plan.serving)
        serving.pin(self.embedders.of(plan.serving.model))
        carrying = None
        if plan.beside is not None:
            beside = known.pop(plan.beside.fingerprint, None) or self._made(plan.beside)
            beside.pin(_Pinned(self.embedders.of(plan.beside.model), plan.beside))
            carrying = Carrying(serving, beside)
        spaces.arrange(serving, carrying)
        for left in known.values():
            await left.close()

    async def remove(self, space: Space) -> None:
        """Remove the vectors of a space that no plan wants any more, if that can be done now."""
        try:
            store = await self._open_store(space.fingerprint, space.dimension)
            await store.drop()
        except StoreUnavailable as error:
            _log.warning("old vectors could not be removed", extra={"model": space.model, "cause": str(error)})
        else:
            _log.info("old vectors removed", extra={"model": space.model, "fingerprint": space.fingerprint})

    def _made(self, space: Space) -> VectorSpace:
        return VectorSpace(_Pinned(self.embedders.of(space.model), space), self._open_store)


class _Pinned:
    """An embedder held to the space that a plan names, so that its store opens although the model does not answer."""

    def __init__(self, embedder: Embedder, space: Space) -> None:
        self._embedder = embedder
        self._space = space

    async def embed(self, text: str) -> Embedding:
        """As Embedder; raises StoreUnavailable for vectors of another space."""
        embedding = await self._embedder.embed(text)
        if embedding.fingerprint != self._space.fingerprint:
            raise StoreUnavailable(f"the vectors of {self._space.model} are of another space than those kept of it")
        return embedding

    async def describe(self) -> tuple[str, int]:
        """As Embedder: what the plan says."""
        return self._space.fingerprint, self._space.dimension
