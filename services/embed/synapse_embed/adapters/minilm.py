"""all-MiniLM-L6-v2 on onnxruntime: fp32, one core a run, the same vector for a text whatever its neighbours.

onnxruntime maps the weights from the package's file and packs the matrices once; all workers share the session.
"""

from __future__ import annotations

import hashlib
import logging
import subprocess
import sys
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

from synapse_embed.adapters import minilm_files
from synapse_embed.adapters.graph_file import GraphFile
from synapse_embed.errors import ModelFileError
from synapse_embed.model import ModelCard, Tokens

WINDOW = 256
DIMENSION = 384
_GRAPH_VERSION = 1
_BUILD_SECONDS = 60
_HEAD_CHARS_PER_TOKEN = 16
_log = logging.getLogger("synapse.embed")


def card(max_tokens: int = WINDOW) -> ModelCard:
    """The model's card with a window of `max_tokens` tokens."""
    return ModelCard(
        id="all-MiniLM-L6-v2",
        aliases=("sentence-transformers/all-MiniLM-L6-v2",),
        backend="onnxruntime",
        revision=minilm_files.WEIGHTS_SHA256[:12],
        dimension=DIMENSION,
        max_tokens=max_tokens,
        pooling="mean",
    )


class MiniLm:
    """A LocalModel; made by `load`."""

    def __init__(self, session: Any, tokeniser: Any, max_tokens: int) -> None:
        self.card = card(max_tokens)
        self._session = session
        self._tokeniser = tokeniser
        self._head_chars = max_tokens * _HEAD_CHARS_PER_TOKEN

    def tokenise(self, text: str) -> Tokens:
        """See LocalModel; of a long text usually only the head is read."""
        if len(text) > self._head_chars:
            head = text[: self._head_chars].rpartition(" ")[0]  # words never span a space, so a full head is final
            if (encoded := self._tokeniser.encode(head)).overflowing:
                return Tokens(encoded.ids, truncated=True)
        encoded = self._tokeniser.encode(text)
        return Tokens(encoded.ids, truncated=bool(encoded.overflowing))

    def encode(self, batch: Sequence[Tokens]) -> list[bytes]:
        """See LocalModel."""
        import numpy as np

        shape = len(batch), max(len(tokens.ids) for tokens in batch)
        ids, mask = np.zeros(shape, np.int64), np.zeros(shape, np.int64)
        for row, tokens in enumerate(batch):
            ids[row, : len(tokens.ids)] = tokens.ids
            mask[row, : len(tokens.ids)] = 1
        (vectors,) = self._session.run(("vectors",), {"ids": ids, "mask": mask})
        return [row.tobytes() for row in vectors]


def load(*, model_dir: Path | None = None, max_tokens: int = WINDOW, folder: Path | None = None) -> MiniLm:
    """The model from the files in `folder` (the installed package), with the graph kept in `model_dir` if given.

    Raises ModelFileError when a file is missing or corrupt, ValueError for a window the model does not have.
    """
    if not 1 < max_tokens <= WINDOW:
        raise ValueError(f"max_tokens is {max_tokens}; {card().id} sees 2 to {WINDOW} tokens")
    files = minilm_files.find(folder)
    session = _session(_graph(files.weights, model_dir), files.weights.parent)
    return MiniLm(session, _tokeniser(files.tokeniser, max_tokens), max_tokens)


def _graph(weights: Path, model_dir: Path | None) -> bytes:
    if model_dir is None:
        return _build(weights)
    key = hashlib.sha256(f"{card().fingerprint};graph={_GRAPH_VERSION}".encode()).hexdigest()[:16]
    kept = GraphFile(model_dir / f"minilm-{key}.graph")
    if (graph := kept.read()) is None:
        graph = _build(weights)
        try:
            kept.write(graph)
        except OSError as error:  # a read-only folder costs half a second at each start, nothing more
            _log.warning("the model's graph cannot be kept", extra={"model_dir": str(model_dir), "cause": str(error)})
    return graph


def _build(weights: Path) -> bytes:
    """Build in a process of its own: onnx and its memory end with it."""
    command = [sys.executable, "-m", "synapse_embed.adapters.minilm_graph", str(weights)]
    try:
        built = subprocess.run(command, check=True, capture_output=True, timeout=_BUILD_SECONDS)  # noqa: S603  # our own
    except subprocess.TimeoutExpired as error:
        raise ModelFileError(f"the model's graph was not built within {_BUILD_SECONDS} s") from error
    except subprocess.CalledProcessError as error:
        last = error.stderr.decode(errors="replace").strip().rpartition("\n")[2]
        raise ModelFileError(f"the model's graph cannot be built from {weights}: {last}") from error
    return built.stdout


def _session(graph: bytes, weights_folder: Path) -> Any:
    onnxruntime: Any = import_module("onnxruntime")  # its names are not exported as far as types go
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    options.enable_mem_pattern = False  # it would keep a plan for every shape ever seen
    options.add_session_config_entry("session.model_external_initializers_file_folder_path", str(weights_folder))
    return onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])


def _tokeniser(path: Path, max_tokens: int) -> Any:
    from tokenizers import Tokenizer

    tokeniser = Tokenizer.from_file(str(path))
    tokeniser.no_padding()
    tokeniser.enable_truncation(max_tokens)
    return tokeniser
