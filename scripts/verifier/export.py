"""Writes the trained verifier as ONNX: fp32, or with int8 weights whose products are int8 or float.

Inputs: ids, kinds and mask, int64 (pairs, tokens). Output: logits, float32 (pairs,).
"""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from scripts.verifier import tensors

_HEADS, _WIDTH = 12, 384
_EPSILON = 1e-12
_CONTRIB = "com.microsoft"
_OPSETS = (("", 18), (_CONTRIB, 1))
_IR_VERSION = 9


class Precision(StrEnum):
    """How weights are kept and multiplied.

    STORED: int8 in the file, float32 at work, batch-invariant. DYNAMIC: int8 at work, too, with one scale for a whole
    batch of activations: run it pair by pair.
    """

    FP32 = "fp32"
    STORED = "stored"
    DYNAMIC = "dynamic"


class _Graph:
    """Collects nodes and initialisers; values are named after the node that makes them."""

    def __init__(self, weights: tensors.Tensors, precision: Precision) -> None:
        self.weights, self.precision = weights, precision
        self.nodes: list[onnx.NodeProto] = []
        self.initialisers: dict[str, onnx.TensorProto] = {}

    def op(self, kind: str, *inputs: str, contrib: bool = False, outputs: int = 1, **attributes: Any) -> str:
        """Add a node; the name of its first output (more are named with _1, _2)."""
        name = f"{kind}_{len(self.nodes)}"
        names = [name, *(f"{name}_{place}" for place in range(1, outputs))]
        self.nodes.append(helper.make_node(kind, inputs, names, domain=_CONTRIB if contrib else "", **attributes))
        return name

    def constant(self, name: str, value: NDArray[Any]) -> str:
        """An initialiser."""
        self.initialisers.setdefault(name, numpy_helper.from_array(np.ascontiguousarray(value), name))
        return name

    def weight(self, name: str) -> str:
        """A tensor as it is."""
        return self.constant(name, self.weights[name])

    def integers(self, *values: int) -> str:
        """A constant of int64."""
        return self.constant("int_" + "_".join(map(str, values)), np.array(values, np.int64))

    def rows(self, name: str, places: str) -> str:
        """Rows of a table; in int8 every row has its own scale."""
        if self.precision is Precision.FP32:
            return self.op("Gather", self.weight(name), places)
        table, scale = quantise(self.weights[name], axis=1)
        small = self.op("Gather", self.constant(f"{name}.int8", table), places)
        return self.op("Mul", self.op("Cast", small, to=TensorProto.FLOAT), self.op(
            "Gather", self.constant(f"{name}.scale", scale), places))  # fmt: skip

    def dense(self, x: str, name: str) -> str:
        """A linear layer on rows; the tensors keep weights as (out, in)."""
        weight = self.weights[f"{name}.weight"].T
        bias = self.weight(f"{name}.bias")
        if self.precision is Precision.FP32:
            return self.op("Add", self.op("MatMul", x, self.constant(f"{name}.matrix", weight)), bias)
        table, scale = quantise(weight, axis=0)
        matrix, scales = self.constant(f"{name}.int8", table), self.constant(f"{name}.scale", scale[0])
        if self.precision is Precision.STORED:
            full = self.op("DequantizeLinear", matrix, scales, axis=1)
            return self.op("Add", self.op("MatMul", x, full), bias)
        return self.op("DynamicQuantizeMatMul", x, matrix, scales, "", bias, contrib=True)

    def norm(self, x: str, name: str) -> str:
        """Layer normalisation."""
        scale, shift = self.weight(f"{name}.weight"), self.weight(f"{name}.bias")
        return self.op("LayerNormalization", x, scale, shift, axis=-1, epsilon=_EPSILON)


def quantise(weight: NDArray[np.float32], axis: int) -> tuple[NDArray[np.int8], NDArray[np.float32]]:
    """Symmetric int8 along an axis, and the scale of each slice (that axis kept with size one)."""
    scale = np.maximum(np.abs(weight).max(axis=axis, keepdims=True), 1e-8).astype(np.float32) / np.float32(127)
    return np.clip(np.rint(weight / scale), -127, 127).astype(np.int8), scale


def build(weights: tensors.Tensors, precision: Precision) -> onnx.ModelProto:
    """The whole model; `weights` holds the trained tensors and MiniLM's `words`."""
    graph = _Graph(weights, precision)
    length = graph.op("Slice", graph.op("Shape", "ids"), graph.integers(1), graph.integers(2))
    positions = graph.op("Slice", graph.weight("positions"), graph.integers(0), length, graph.integers(0))
    kinds = graph.op("Gather", graph.constant("kinds.table", graph.weights["kinds"]), "kinds")
    embedded = graph.op("Add", graph.rows("words", "ids"), graph.op("Add", positions, kinds))
    shape = graph.op("Shape", embedded)
    x = graph.norm(graph.op("Reshape", embedded, graph.integers(-1, _WIDTH)), "norm")
    mask = graph.op("Cast", "mask", to=TensorProto.INT32)
    for layer in range(sum(name.endswith(".qkv.weight") for name in weights)):
        x = _layer(graph, x, f"{layer}.", shape, mask)
    _head(graph, graph.op("Reshape", x, shape))
    return _model(graph)


def _layer(graph: _Graph, x: str, name: str, shape: str, mask: str) -> str:
    joined = graph.op("Split", graph.dense(x, f"{name}qkv"), axis=1, num_outputs=3, outputs=3)
    three = (graph.op("Reshape", part, shape) for part in (joined, f"{joined}_1", f"{joined}_2"))
    attended = graph.op("MultiHeadAttention", *three, "", mask, contrib=True, num_heads=_HEADS)
    flat = graph.op("Reshape", attended, graph.integers(-1, _WIDTH))
    x = graph.norm(graph.op("Add", graph.dense(flat, f"{name}out"), x), f"{name}norm1")
    wide = graph.op("Gelu", graph.dense(x, f"{name}wide"), contrib=True)
    return graph.norm(graph.op("Add", graph.dense(wide, f"{name}narrow"), x), f"{name}norm2")


def _head(graph: _Graph, x: str) -> None:
    """Mean and maximum over the tokens, then one logit."""
    seen = graph.op("Unsqueeze", graph.op("Cast", "mask", to=TensorProto.FLOAT), graph.integers(2))
    one = graph.integers(1)
    total = graph.op("ReduceSum", graph.op("Mul", x, seen), one, keepdims=0)
    mean = graph.op("Div", total, graph.op("ReduceSum", seen, one, keepdims=0))
    hidden = graph.op("Mul", graph.op("Sub", graph.constant("one", np.ones(1, np.float32)), seen),
                      graph.constant("far", np.full(1, 1e4, np.float32)))  # fmt: skip
    highest = graph.op("ReduceMax", graph.op("Sub", x, hidden), one, keepdims=0)
    both = graph.op("Concat", mean, highest, axis=1)
    matrix = graph.constant("head.matrix", graph.weights["head.weight"].T)
    logit = graph.op("Add", graph.op("MatMul", both, matrix), graph.weight("head.bias"))
    graph.op("Squeeze", logit, one)
    graph.nodes[-1].output[0] = "logits"


def _model(graph: _Graph) -> onnx.ModelProto:
    inputs = [
        helper.make_tensor_value_info(n, TensorProto.INT64, ["pairs", "tokens"]) for n in ("ids", "kinds", "mask")
    ]
    logits = helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["pairs"])
    body = helper.make_graph(graph.nodes, "verifier", inputs, [logits], list(graph.initialisers.values()))
    opsets = [helper.make_opsetid(domain, version) for domain, version in _OPSETS]
    return helper.make_model(body, opset_imports=opsets, ir_version=_IR_VERSION, producer_name="synapse")


def export(trained: Path, minilm: Path, target: Path, precision: Precision) -> int:
    """Write the model; its size in bytes."""
    name = "embeddings.word_embeddings.weight"
    weights = tensors.read(trained) | {"words": tensors.read(minilm, frozenset((name,)))[name]}
    target.write_bytes(build(weights, precision).SerializeToString())
    return target.stat().st_size
