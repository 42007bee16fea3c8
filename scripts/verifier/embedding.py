"""The bundled embedder's vectors, as the embed service makes them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray


def embed(texts: Sequence[str]) -> NDArray[np.float32]:
    """Unit vectors, (texts, 384)."""
    from synapse_embed.adapters import minilm

    model = minilm.load()
    vectors = [np.frombuffer(model.encode([model.tokenise(text)])[0], np.float32) for text in texts]
    return np.array(vectors)
