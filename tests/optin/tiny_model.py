"""Makes a tiny Llama of random weights, with a byte-level tokenizer and a chat template; runs in vLLM's environment.

python tiny_model.py FOLDER

Its greedy answers are printable and always the same, and make no sense: what it is good for is the server around it.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

CONTEXT = 1024
_SPECIAL = ["<|begin|>", "<|end|>", "<|pad|>"]
_TEMPLATE = (
    "<|begin|>{% for tool in tools or [] %}{{ tool['function']['name'] }}\n{% endfor %}"
    "{% for message in messages %}{{ message['role'] }}: "
    "{% if message['content'] is string %}{{ message['content'] }}"
    "{% else %}{% for part in message['content'] or [] %}{{ part['text'] }}{% endfor %}{% endif %}"
    "{% for call in message['tool_calls'] or [] %}{{ call['function']['name'] }}{% endfor %}\n{% endfor %}"
    "{% if add_generation_prompt %}assistant: {% endif %}"
)


def main(folder: Path) -> None:
    """Write the model into `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    printable = _tokenizer(folder)
    _weights(folder, printable)


def _tokenizer(folder: Path) -> list[int]:
    """Write the tokenizer, a token for every byte; returns the ids of the printable ones."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {token: number for number, token in enumerate([*_SPECIAL, *alphabet])}
    bare = Tokenizer(models.BPE(vocab=vocabulary, merges=[]))
    bare.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    bare.decoder = decoders.ByteLevel()
    begin, end, pad = _SPECIAL
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=bare, bos_token=begin, eos_token=end, pad_token=pad, chat_template=_TEMPLATE
    )
    tokenizer.save_pretrained(folder)
    return [number for token, number in vocabulary.items() if len(token) == 1 and (token.isascii() or token == "Ġ")]


def _weights(folder: Path, printable: list[int]) -> None:
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(7)
    config = LlamaConfig(
        vocab_size=256 + len(_SPECIAL),
        hidden_size=64,
        intermediate_size=128,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=2,
        max_position_embeddings=CONTEXT,
        bos_token_id=0,
        eos_token_id=1,
        pad_token_id=2,
        initializer_range=0.5,
        tie_word_embeddings=False,
    )
    model = LlamaForCausalLM(config)
    silent = torch.ones(config.vocab_size, dtype=torch.bool)
    silent[printable] = False
    with torch.no_grad():
        model.lm_head.weight[silent] = 0.0  # the best of a hundred random logits is above that
    model.save_pretrained(folder)
    (folder / "generation_config.json").write_text(json.dumps({"bos_token_id": 0, "eos_token_id": 1}))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
