"""The ONNX graph of all-MiniLM-L6-v2, written over the tensors of its safetensors file.

The graph holds no weights: every initialiser points into the file, which onnxruntime maps into memory. Run as a module
it builds in a process of its own, so that the serving process never imports onnx.
"""

from __future__ import annotations

import json
import struct
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

LAYERS = 6
HEADS = 12
WIDTH = 384
_EPSILON = 1e-12
_CONTRIB = "com.microsoft"
_OPSETS = (("", 18), (_CONTRIB, 1))
_IR_VERSION = 9


class Tensors:
    """Where each tensor lies in a safetensors file; raises ValueError for a file that is none."""

    def __init__(self, path: Path) -> None:
        with path.open("rb") as file:
            (size,) = struct.unpack("<Q", file.read(8))
            if size > path.stat().st_size:
                raise ValueError(f"{path.name} is no safetensors file")
            self._header: dict[str, Any] = json.loads(file.read(size))
        self._start = 8 + size
        self._location = path.name

    def external(self, name: str) -> onnx.TensorProto:
        """An initialiser that points at the float32 tensor `name`."""
        entry = self._header[name]
        if entry["dtype"] != "F32":
            raise ValueError(f"{name} is {entry['dtype']}, not F32")
        begin, end = entry["data_offsets"]
        tensor = TensorProto(name=name, data_type=TensorProto.FLOAT, dims=entry["shape"])
        tensor.data_location = TensorProto.EXTERNAL
        for key, value in (("location", self._location), ("offset", self._start + begin), ("length", end - begin)):
            tensor.external_data.add(key=key, value=str(value))
        return tensor


class _Graph:
    """Collects nodes and initialisers; values are named after the node that makes them."""

    def __init__(self, tensors: Tensors) -> None:
        self._tensors = tensors
        self.nodes: list[onnx.NodeProto] = []
        self.initialisers: dict[str, onnx.TensorProto] = {}

    def op(self, kind: str, *inputs: str, contrib: bool = False, **attributes: Any) -> str:
        output = f"{kind}_{len(self.nodes)}"
        domain = _CONTRIB if contrib else ""
        self.nodes.append(helper.make_node(kind, inputs, [output], domain=domain, **attributes))
        return output

    def weight(self, name: str) -> str:
        self.initialisers.setdefault(name, self._tensors.external(name))
        return name

    def integers(self, *values: int) -> str:
        name = "int_" + "_".join(map(str, values))
        self.initialisers.setdefault(name, numpy_helper.from_array(np.array(values, np.int64), name))
        return name

    def dense(self, x: str, name: str) -> str:
        """A linear layer on rows; the file keeps weights as (out, in)."""
        return self.op("Gemm", x, self.weight(f"{name}.weight"), self.weight(f"{name}.bias"), transB=1)

    def norm(self, x: str, name: str) -> str:
        scale, shift = self.weight(f"{name}.weight"), self.weight(f"{name}.bias")
        return self.op("LayerNormalization", x, scale, shift, axis=-1, epsilon=_EPSILON)


def build(weights: Path) -> bytes:
    """The serialised graph: ids and mask, int64 (texts, tokens), to vectors, float32 (texts, 384) of length one."""
    graph = _Graph(Tensors(weights))
    embedded = _embeddings(graph)
    shape = graph.op("Shape", embedded)

    def rows(x: str) -> str:
        return graph.op("Reshape", x, graph.integers(-1, WIDTH))

    def texts(x: str) -> str:
        return graph.op("Reshape", x, shape)

    mask = graph.op("Cast", "mask", to=TensorProto.INT32)
    x = graph.norm(rows(embedded), "embeddings.LayerNorm")
    for layer in range(LAYERS):
        x = _layer(graph, x, f"encoder.layer.{layer}", lambda q, k, v: rows(_attention(graph, q, k, v, mask)), texts)
    _pool(graph, texts(x))
    return _model(graph).SerializeToString()


def _embeddings(graph: _Graph) -> str:
    """Word, position and type embeddings; positions are a slice of their table, as long as the texts."""
    words = graph.op("Gather", graph.weight("embeddings.word_embeddings.weight"), "ids")
    tokens = graph.op("Slice", graph.op("Shape", "ids"), graph.integers(1), graph.integers(2))
    start = graph.integers(0)
    positions = graph.op("Slice", graph.weight("embeddings.position_embeddings.weight"), start, tokens, start)
    kinds = graph.weight("embeddings.token_type_embeddings.weight")
    first = graph.op("Slice", kinds, start, graph.integers(1), start)
    return graph.op("Add", words, graph.op("Add", positions, first))


def _layer(
    graph: _Graph, x: str, name: str, attend: Callable[[str, str, str], str], texts: Callable[[str], str]
) -> str:
    query, key, value = (texts(graph.dense(x, f"{name}.attention.self.{part}")) for part in ("query", "key", "value"))
    attended = graph.dense(attend(query, key, value), f"{name}.attention.output.dense")
    x = graph.norm(graph.op("Add", attended, x), f"{name}.attention.output.LayerNorm")
    wide = graph.op("Gelu", graph.dense(x, f"{name}.intermediate.dense"), contrib=True)
    narrow = graph.dense(wide, f"{name}.output.dense")
    return graph.norm(graph.op("Add", narrow, x), f"{name}.output.LayerNorm")


def _attention(graph: _Graph, query: str, key: str, value: str, mask: str) -> str:
    return graph.op("MultiHeadAttention", query, key, value, "", mask, contrib=True, num_heads=HEADS)


def _pool(graph: _Graph, x: str) -> None:
    """Sum over the text's own tokens; the mean differs by a factor that the L2 norm takes away."""
    mask = graph.op("Unsqueeze", graph.op("Cast", "mask", to=TensorProto.FLOAT), graph.integers(1))
    total = graph.op("Squeeze", graph.op("MatMul", mask, x), graph.integers(1))
    graph.op("LpNormalization", total, axis=-1, p=2)
    graph.nodes[-1].output[0] = "vectors"


def _model(graph: _Graph) -> onnx.ModelProto:
    integers = [helper.make_tensor_value_info(name, TensorProto.INT64, ["texts", "tokens"]) for name in ("ids", "mask")]
    vectors = helper.make_tensor_value_info("vectors", TensorProto.FLOAT, ["texts", WIDTH])
    body = helper.make_graph(graph.nodes, "minilm", integers, [vectors], list(graph.initialisers.values()))
    opsets = [helper.make_opsetid(domain, version) for domain, version in _OPSETS]
    return helper.make_model(body, opset_imports=opsets, ir_version=_IR_VERSION, producer_name="synapse")


if __name__ == "__main__":
    sys.stdout.buffer.write(build(Path(sys.argv[1])))
