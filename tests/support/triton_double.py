"""A double of Triton on the stubs of its own client: a model that embeds, with the bundled one behind it.

async with triton_double() as double:
    double.served.max_batch_size = 4
    ... calls to double.target ...
"""

from __future__ import annotations

import asyncio
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import grpc
import numpy as np
from numpy.typing import NDArray
from tritonclient.grpc import model_config_pb2 as _model_config_pb2
from tritonclient.grpc import service_pb2 as _service_pb2
from tritonclient.grpc import service_pb2_grpc

from tests.support import minilm_texts

model_config_pb2: Any = _model_config_pb2  # generated without types
service_pb2: Any = _service_pb2
_NUMPY = {"FP32": np.float32, "FP16": np.float16, "FP64": np.float64}
_INTEGERS = {"INT64": np.int64, "INT32": np.int32}
Tensors = dict[str, NDArray[Any]]


@dataclass
class Served:
    """The model and the fault switches; `inputs` and `outputs` are name -> (datatype, shape without the batch)."""

    model: str = "minilm"
    version: str = "1"
    max_batch_size: int = 16
    inputs: dict[str, tuple[str, list[int]]] = field(default_factory=lambda: {"text": ("BYTES", [1])})
    outputs: dict[str, tuple[str, list[int]]] = field(default_factory=lambda: {"embedding": ("FP32", [384])})
    optional: set[str] = field(default_factory=set)
    states: bool = False
    """Whether the output is a row per token, (texts, tokens, dimension), to be pooled by the caller."""
    dimension: int = 384
    ready: bool = True
    code: grpc.StatusCode | None = None
    message: str = "out of order"
    delay_seconds: float = 0.0

    def takes_tokens(self, *more: str, datatype: str = "INT64") -> None:
        """Let the model take token ids and their mask, and `more` inputs of the same kind."""
        self.inputs = {name: (datatype, [-1]) for name in ("input_ids", "attention_mask", *more)}


class TritonDouble:
    """The service's methods, each with the checks of the real server that a client can run into."""

    def __init__(self) -> None:
        self.served = Served()
        self.target = ""
        self.batches: list[int] = []
        self.given: list[Tensors] = []

    async def ServerReady(self, _request: Any, _context: Any) -> Any:  # noqa: N802  # the service says so
        return service_pb2.ServerReadyResponse(ready=self.served.ready)

    async def ModelMetadata(self, request: Any, context: Any) -> Any:  # noqa: N802  # the service says so
        await self._known(request.name, context)
        served = self.served
        batch = [-1] if served.max_batch_size else []
        answer = service_pb2.ModelMetadataResponse(name=served.model, versions=[served.version], platform="python")
        for where, tensors in ((answer.inputs, served.inputs), (answer.outputs, served.outputs)):
            for name, (datatype, shape) in tensors.items():
                where.add(name=name, datatype=datatype, shape=batch + shape)
        return answer

    async def ModelConfig(self, request: Any, context: Any) -> Any:  # noqa: N802  # the service says so
        await self._known(request.name, context)
        config = model_config_pb2.ModelConfig(name=self.served.model, max_batch_size=self.served.max_batch_size)
        for name in self.served.inputs:
            config.input.add(name=name, optional=name in self.served.optional)
        return service_pb2.ModelConfigResponse(config=config)

    async def ModelInfer(self, request: Any, context: Any) -> Any:  # noqa: N802  # the service says so
        served = self.served
        await self._known(request.model_name, context)
        await asyncio.sleep(served.delay_seconds)
        if served.code is not None:
            await context.abort(served.code, served.message)
        tensors = {
            tensor.name: _array(tensor, raw)
            for tensor, raw in zip(request.inputs, request.raw_input_contents, strict=True)
        }
        (texts,) = {len(tensor) for tensor in tensors.values()}
        if served.max_batch_size and texts > served.max_batch_size:
            message = f"inference request batch-size must be <= {served.max_batch_size} for '{served.model}'"
            await context.abort(grpc.StatusCode.INVALID_ARGUMENT, message)
        self.batches.append(texts)
        self.given.append(tensors)
        return self._answer(request.outputs[0].name, self._rows(tensors))

    def _rows(self, tensors: Tensors) -> NDArray[np.float32]:
        if "text" in tensors:
            texts = [text.decode() for text in tensors["text"].reshape(-1)]
            return np.stack([minilm_texts.read(text).vector for text in texts])[:, : self.served.dimension]
        ids, mask = tensors["input_ids"].astype(np.int64), tensors["attention_mask"].astype(np.int64)
        if self.served.states:
            return states_of(ids)
        return minilm_texts.vectors_of(ids, mask)[:, : self.served.dimension]

    def _answer(self, output: str, rows: NDArray[np.float32]) -> Any:
        datatype, _ = self.served.outputs[output]
        raw = rows.astype(_NUMPY[datatype])
        answer = service_pb2.ModelInferResponse(model_name=self.served.model, model_version=self.served.version)
        answer.outputs.add(name=output, datatype=datatype, shape=raw.shape)
        answer.raw_output_contents.append(raw.tobytes())
        return answer

    async def _known(self, name: str, context: Any) -> None:
        if name != self.served.model or not self.served.ready:
            message = f"Request for unknown model: '{name}' is not found"
            await context.abort(grpc.StatusCode.NOT_FOUND, message)


def states_of(ids: NDArray[np.int64]) -> NDArray[np.float32]:
    """A row of four numbers per token, another for every id."""
    return np.stack([np.sin(ids + place) for place in range(4)], axis=-1).astype(np.float32)


def _array(tensor: Any, raw: bytes) -> NDArray[Any]:
    if tensor.datatype != "BYTES":
        return np.frombuffer(raw, _INTEGERS[tensor.datatype]).reshape(tensor.shape)
    texts, at = [], 0
    while at < len(raw):
        (length,) = struct.unpack_from("<I", raw, at)
        texts.append(raw[at + 4 : at + 4 + length])
        at += 4 + length
    return np.array(texts, dtype=np.object_).reshape(tensor.shape)


@asynccontextmanager
async def triton_double(*, port: int = 0) -> AsyncIterator[TritonDouble]:
    """A double on a port of 127.0.0.1."""
    double = TritonDouble()
    server = grpc.aio.server(options=[("grpc.so_reuseport", 0)])
    add: Any = service_pb2_grpc.add_GRPCInferenceServiceServicer_to_server
    add(_Servicer(double), server)
    double.target = f"127.0.0.1:{server.add_insecure_port(f'127.0.0.1:{port}')}"
    await server.start()
    try:
        yield double
    finally:
        await server.stop(0)


class _Servicer(service_pb2_grpc.GRPCInferenceServiceServicer):
    """The whole service: the double's methods, and the client's own refusals for the rest."""

    def __init__(self, double: TritonDouble) -> None:
        for name in ("ServerReady", "ModelMetadata", "ModelConfig", "ModelInfer"):
            setattr(self, name, getattr(double, name))
