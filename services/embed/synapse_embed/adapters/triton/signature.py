"""What a KServe v2 model takes and gives, checked against the settings before anything is asked of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from synapse_embed.errors import BackendMisfit
from synapse_embed.settings import TritonSettings

_INTEGERS = ("INT64", "INT32")
_UNBOUNDED = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Signature:
    """`inputs` are names and datatypes in the order they are sent; `dimension` 0 where the model leaves it open.

    `batch_texts` texts are taken at once; `flat` says that texts go in as one row, without an axis of their own.
    """

    inputs: tuple[tuple[str, str], ...]
    output: str
    batch_texts: int
    dimension: int
    flat: bool


def read(metadata: Any, config: Any, settings: TritonSettings) -> Signature:
    """The signature of the model with these (ModelMetadataResponse, ModelConfig); raises BackendMisfit."""
    inputs = {tensor.name: tensor for tensor in metadata.inputs}
    wanted = _wanted(inputs, config, settings)
    output = _output(metadata, settings)
    shape = list(output.shape)
    rank = 2 if settings.pooling == "model" else 3
    if len(shape) != rank:
        form = "(texts, dimension)" if rank == 2 else "(texts, tokens, dimension)"
        raise _misfit(settings, f"output {output.name} has shape {shape}, not {form}")
    first = inputs[wanted[0][0]].shape
    return Signature(
        inputs=wanted,
        output=output.name,
        batch_texts=config.max_batch_size or (_UNBOUNDED if first[0] < 0 else max(1, first[0])),
        dimension=max(0, shape[-1]),
        flat=len(first) == 1,
    )


def _wanted(inputs: dict[str, Any], config: Any, settings: TritonSettings) -> tuple[tuple[str, str], ...]:
    if settings.inputs == "texts":
        kinds: dict[str, tuple[str, ...]] = {settings.text_input: ("BYTES",)}
    else:
        kinds = {settings.ids_input: _INTEGERS, settings.mask_input: _INTEGERS}
        if settings.types_input in inputs:
            kinds[settings.types_input] = _INTEGERS
    optional = {tensor.name for tensor in config.input if tensor.optional}
    strange = sorted(inputs.keys() - kinds.keys() - optional)
    missing = sorted(kinds.keys() - inputs.keys())
    if strange or missing:
        raise _misfit(settings, f"its inputs are {sorted(inputs)}, not {sorted(kinds)}")
    for name, datatypes in kinds.items():
        if inputs[name].datatype not in datatypes:
            raise _misfit(settings, f"input {name} is {inputs[name].datatype}, not {' or '.join(datatypes)}")
    return tuple((name, inputs[name].datatype) for name in kinds)


def _output(metadata: Any, settings: TritonSettings) -> Any:
    names = [tensor.name for tensor in metadata.outputs]
    if not settings.output and len(names) != 1:
        raise _misfit(settings, f"its outputs are {names}: name one in embed.triton.output")
    found = next((tensor for tensor in metadata.outputs if tensor.name == (settings.output or names[0])), None)
    if found is None:
        raise _misfit(settings, f"its outputs are {names}, not {settings.output}")
    if found.datatype != settings.datatype:
        raise _misfit(
            settings, f"output {found.name} is {found.datatype}, but embed.triton.datatype {settings.datatype}"
        )
    return found


def _misfit(settings: TritonSettings, what: str) -> BackendMisfit:
    return BackendMisfit(f"the model {settings.model} at {settings.endpoint} does not fit: {what}")
