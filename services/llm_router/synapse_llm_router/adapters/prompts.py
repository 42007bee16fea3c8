"""Questions as one text, for wires that take no messages.

| template | a message                                                    | the answer begins after        |
|----------|--------------------------------------------------------------|--------------------------------|
| chatml   | `<|im_start|>role`, line end, text, `<|im_end|>`, line end   | the head of an assistant's one |
| llama3   | `<|start_header_id|>role<|end_header_id|>`, blank line, text | the head of an assistant's one |
| plain    | `Role: text`, line end                                       | `Assistant:`                   |

The end of a message, for `plain` the beginning of the user's next one, ends the answer as well. The tokenizer of the
backend adds what begins a text. A text that has a template's marks in it is refused: it would forge a turn. Tools and
all content but text are refused; the assistant's earlier thinking is left out, as templates of models do.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from synapse.llm.v1.request_pb2 import GENERATION_KIND_COMPLETION, ToolChoice
from synapse_llm_router.adapters import refusing
from synapse_llm_router.adapters.target import Target

if TYPE_CHECKING:
    from synapse.llm.v1.content_pb2 import ContentPart, Message
    from synapse.llm.v1.request_pb2 import CompletionPrompt, GenerationRequest

_ROLES = {"system": "system", "developer": "system", "user": "user", "assistant": "assistant"}


@dataclass(frozen=True, slots=True)
class Template:
    """How messages become a prompt: {role} and {text} of each, and what opens the answer.

    `marks` must not be inside of texts; `stops` end the answer.
    """

    message: str
    opening: str
    marks: tuple[str, ...]
    stops: tuple[str, ...]
    capital: bool = False


TEMPLATES = {
    "chatml": Template(
        message="<|im_start|>{role}\n{text}<|im_end|>\n",
        opening="<|im_start|>assistant\n",
        marks=("<|im_start|>", "<|im_end|>"),
        stops=("<|im_end|>",),
    ),
    "llama3": Template(
        message="<|start_header_id|>{role}<|end_header_id|>\n\n{text}<|eot_id|>",
        opening="<|start_header_id|>assistant<|end_header_id|>\n\n",
        marks=("<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>"),
        stops=("<|eot_id|>",),
    ),
    "plain": Template(message="{role}: {text}\n", opening="Assistant:", marks=(), stops=("\nUser:",), capital=True),
}


@dataclass(frozen=True, slots=True)
class Prompt:
    """The text asked, and the texts that end the answer without being the caller's."""

    text: str
    stops: tuple[str, ...] = ()


def is_completion(request: GenerationRequest) -> bool:
    """Whether `request` is a plain completion."""
    return request.kind == GENERATION_KIND_COMPLETION


def one_text(prompt: CompletionPrompt, target: Target) -> str:
    """The text of a plain completion; raises InvalidArgument for several, for token ids, and for an echo."""
    if prompt.token_ids or len(prompt.texts) != 1:
        raise target.lacks_content("prompt", "it takes one text")
    if prompt.echo:
        raise target.lacks_parameter("echo", "it answers without the prompt")
    return prompt.texts[0]


def prompt_of(request: GenerationRequest, template: Template, target: Target) -> Prompt:
    """The prompt of `request`; raises InvalidArgument for what a text cannot say."""
    if request.tools and request.tool_choice.mode != ToolChoice.MODE_NONE:
        raise target.lacks_content("tools", "it takes one text")
    if is_completion(request):
        if request.prompt.suffix:
            raise target.lacks_parameter("suffix", "it only continues a text")
        return Prompt(one_text(request.prompt, target))
    return Prompt(conversation_text(request.messages, template, target), template.stops)


def conversation_text(messages: Iterable[Message], template: Template, target: Target) -> str:
    """`messages` as a text that the assistant's next one continues."""
    turns = [_turn(message, template, target, f"messages[{number}]") for number, message in enumerate(messages)]
    return "".join((*turns, template.opening))


def _turn(message: Message, template: Template, target: Target, where: str) -> str:
    refusing.require_plain(target, message, where)
    role = _ROLES.get(message.role)
    if role is None:
        raise target.lacks_content(f"{where}.role", f"its prompt knows no role {message.role!r}")
    if message.tool_calls:
        raise target.lacks_content(f"{where}.tool_calls", "it takes one text")
    texts = [message.text] if message.HasField("text") else []
    for number, part in enumerate(message.parts):
        texts.extend(_texts(part, target, f"{where}.content[{number}]"))
    if message.HasField("refusal"):
        texts.append(message.refusal)
    text = "\n".join(texts)
    for mark in template.marks:
        if mark in text:
            raise target.lacks_content(where, f"it has {mark}, with which the template of the prompt marks turns")
    return template.message.format(role=role.capitalize() if template.capital else role, text=text)


def _texts(part: ContentPart, target: Target, where: str) -> list[str]:
    match part.WhichOneof("part"):
        case "text":
            return [part.text]
        case "refusal":
            return [part.refusal]
        case "thinking":
            return []
        case kind:
            raise target.lacks_content(where, f"a part of kind {kind} has no form in a text")
