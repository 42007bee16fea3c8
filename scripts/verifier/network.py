"""The cross-encoder as a function over named tensors: MiniLM's layers, alignment marks, one logit. Needs torch."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Any

from synapse_cache.decision.alignment import KINDS

WIDTH, HEADS = 384, 12
_EPSILON = 1e-12
_NOISE = 0.02
Weights = dict[str, Any]


def load(weights: Path, layers: int, seed: int) -> Weights:
    """MiniLM's tensors for the first `layers` layers, with fresh marks and head; word embeddings are frozen."""
    torch: Any = import_module("torch")
    read: Any = import_module("safetensors.torch").load_file
    stored = read(str(weights))
    torch.manual_seed(seed)
    found: Weights = {
        "words": stored["embeddings.word_embeddings.weight"],
        "positions": stored["embeddings.position_embeddings.weight"][:256].clone(),
        "norm.weight": stored["embeddings.LayerNorm.weight"],
        "norm.bias": stored["embeddings.LayerNorm.bias"],
    }
    kind = stored["embeddings.token_type_embeddings.weight"][:1]
    found["kinds"] = kind + _NOISE * torch.randn(KINDS, WIDTH)
    for layer in range(layers):
        found.update(_layer_weights(stored, f"encoder.layer.{layer}.", f"{layer}."))
    found["head.weight"] = _NOISE * torch.randn(1, 2 * WIDTH)
    found["head.bias"] = torch.zeros(1)
    for name, tensor in found.items():
        found[name] = tensor.detach().clone().requires_grad_(name != "words")
    return found


def _layer_weights(stored: Weights, source: str, target: str) -> Weights:
    torch: Any = import_module("torch")
    found: Weights = {}
    for part in ("weight", "bias"):
        three = [stored[f"{source}attention.self.{name}.{part}"] for name in ("query", "key", "value")]
        found[f"{target}qkv.{part}"] = torch.cat(three)
        found[f"{target}out.{part}"] = stored[f"{source}attention.output.dense.{part}"]
        found[f"{target}norm1.{part}"] = stored[f"{source}attention.output.LayerNorm.{part}"]
        found[f"{target}wide.{part}"] = stored[f"{source}intermediate.dense.{part}"]
        found[f"{target}narrow.{part}"] = stored[f"{source}output.dense.{part}"]
        found[f"{target}norm2.{part}"] = stored[f"{source}output.LayerNorm.{part}"]
    return found


def depth(weights: Weights) -> int:
    """How many layers the weights hold."""
    return sum(name.endswith(".qkv.weight") for name in weights)


def forward(weights: Weights, ids: Any, kinds: Any, mask: Any, *, dropout: float = 0.0) -> Any:
    """Logits (pairs,) of (pairs, tokens) ids, kinds and mask."""
    functional: Any = import_module("torch.nn.functional")
    length = ids.shape[1]
    x = weights["words"][ids] + weights["positions"][:length] + weights["kinds"][kinds]
    x = functional.layer_norm(x, (WIDTH,), weights["norm.weight"], weights["norm.bias"], _EPSILON)
    hidden = -1e4 * (1.0 - mask[:, None, None, :].float())
    for layer in range(depth(weights)):
        x = _layer(functional, weights, f"{layer}.", functional.dropout(x, dropout), hidden)
    return _head(functional, weights, x.float(), mask)


def _layer(functional: Any, weights: Weights, name: str, x: Any, hidden: Any) -> Any:
    def dense(value: Any, part: str) -> Any:
        return functional.linear(value, weights[f"{name}{part}.weight"], weights[f"{name}{part}.bias"])

    def norm(value: Any, part: str) -> Any:
        scale, shift = weights[f"{name}{part}.weight"], weights[f"{name}{part}.bias"]
        return functional.layer_norm(value, (WIDTH,), scale, shift, _EPSILON)

    pairs, length, _ = x.shape
    query, key, value = dense(x, "qkv").view(pairs, length, 3, HEADS, WIDTH // HEADS).permute(2, 0, 3, 1, 4)
    # Written out: the fused kernel's backward pass takes half of the time on such short texts.
    scores = query @ key.transpose(-1, -2) * (WIDTH // HEADS) ** -0.5 + hidden
    attended = functional.softmax(scores, -1).to(value.dtype) @ value
    x = norm(x + dense(attended.transpose(1, 2).reshape(pairs, length, WIDTH), "out"), "norm1")
    return norm(x + dense(functional.gelu(dense(x, "wide")), "narrow"), "norm2")


def _head(functional: Any, weights: Weights, x: Any, mask: Any) -> Any:
    """Mean and maximum over the tokens to one logit."""
    torch: Any = import_module("torch")
    seen = mask[:, :, None].float()
    mean = (x * seen).sum(1) / seen.sum(1)
    highest = (x - 1e4 * (1 - seen)).amax(1)
    return functional.linear(torch.cat((mean, highest), 1), weights["head.weight"], weights["head.bias"])[:, 0]


def average(one: Weights, other: Weights, share: float) -> Weights:
    """Tensors between those of two models, `share` of the way to the other."""
    return {name: (1 - share) * tensor.detach() + share * other[name].detach() for name, tensor in one.items()}


def save(weights: Weights, path: Path) -> None:
    """Write the trained tensors; the frozen word embeddings are MiniLM's and stay out."""
    write: Any = import_module("safetensors.torch").save_file
    write({name: tensor.detach().clone() for name, tensor in weights.items() if name != "words"}, str(path))


def restore(path: Path, minilm: Path) -> Weights:
    """The tensors that `save` wrote, with MiniLM's word embeddings."""
    read: Any = import_module("safetensors.torch").load_file
    found: Weights = {name: tensor.requires_grad_() for name, tensor in read(str(path)).items()}
    return found | {"words": read(str(minilm))["embeddings.word_embeddings.weight"]}
