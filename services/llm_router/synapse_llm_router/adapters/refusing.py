"""What wires other than OpenAI's and Anthropic's refuse alike: parameters and members that would be lost on them."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING, Any

from synapse_llm_router.adapters.members_json import parse_object
from synapse_llm_router.adapters.target import Target

if TYPE_CHECKING:
    from synapse.llm.v1.content_pb2 import Message
    from synapse.llm.v1.request_pb2 import GenerationRequest, Sampling

_NAMES = {"choice_count": "n", "logit_bias_json": "logit_bias"}
_NEUTRAL: dict[str, Any] = {
    "choice_count": 1,
    "best_of": 1,
    "logprobs": False,
    "top_logprobs": 0,
    "logit_bias_json": "{}",
}
"""Values that ask for what every backend does anyway."""
TUNING = frozenset({"seed", "min_p", "presence_penalty", "frequency_penalty", "stop_is_text"})
"""Fields of Sampling that only tune: a wire without them leaves them out."""
_STRANGERS = ("functions", "function_call", "web_search_options", "audio")
"""Unknown members that change the question, so that they cannot be left out."""


def require_known(target: Target, sampling: Sampling, known: Collection[str]) -> None:
    """Raise InvalidArgument for a field of `sampling` outside of `known` that asks for more than tuning."""
    for field, value in sampling.ListFields():
        name = field.name
        if name not in known and name not in TUNING and _NEUTRAL.get(name) != value:
            raise target.lacks_parameter(_NAMES.get(name, name), "its wire has nothing like it")


def require_text_only(target: Target, request: GenerationRequest) -> None:
    """Raise InvalidArgument where `request` asks for other outputs than text, or by members that cannot be lost."""
    if any(kind != "text" for kind in request.modalities):
        raise target.lacks_parameter("modalities", "it answers in text only")
    _refuse_strangers(target, request.extra_json, "")


def require_plain(target: Target, message: Message, where: str) -> None:
    """Raise InvalidArgument where `message` has members that its wire lacks and that say something."""
    if message.HasField("name") and message.role not in {"tool", "function"}:
        raise target.lacks_content(f"{where}.name", "its wire knows no names of speakers")
    _refuse_strangers(target, message.extra_json, f"{where}.")


def _refuse_strangers(target: Target, extra_json: str, where: str) -> None:
    if not extra_json:
        return
    extra = parse_object(extra_json, f"{where}extra_json")
    for name in _STRANGERS:
        if extra.get(name):
            raise target.lacks_content(f"{where}{name}", "its wire has nothing like it")
