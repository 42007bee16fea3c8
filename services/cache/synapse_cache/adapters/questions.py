"""Requests of the wire as questions of the domain: key, scope, and whether meaning may be matched."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING

import orjson

from synapse.llm.v1.request_pb2 import GENERATION_KIND_COMPLETION, GenerationRequest
from synapse_cache.adapters import canonical
from synapse_cache.adapters.texts import all_texts, end_user, user_texts
from synapse_cache.keys import exact_key, scope_key
from synapse_cache.model import Question
from synapse_cache.privacy.freshness import LIVES, STATIC, Life, Lives, strictest
from synapse_cache.privacy.own_affairs import about_the_caller
from synapse_cache.privacy.privacy import PersonalData, PersonalState, has_identifiers

if TYPE_CHECKING:
    from collections.abc import Callable

    from synapse.llm.v1.content_pb2 import Message

_STATEFUL_MEMBERS = frozenset(
    {"previous_response_id", "conversation", "background", "web_search_options", "search_parameters", "plugins"}
    | {"container", "mcp_servers"}
)
_STATEFUL_TOOLS = re.compile(
    r"web_search|web_fetch|file_search|tool_search|computer|code_interpreter|code_execution|mcp|retrieval|browser"
    r"|image_generation"
)
_SEARCHING_MODEL = re.compile(r"-search-(?:preview|api)|:online$|sonar")
_LONGEST_PROMPT = 8_000
_MOST_TURNS_READ = 8
"""How many of the newest texts of users are read for words of time and for what is private."""


@dataclass(frozen=True, slots=True)
class QuestionRules:
    """What the operator decided about requests.

    The highest temperature; prompts with personal identifiers, and about the caller's own affairs; and how long the
    answers to prompts with words of time live.
    """

    max_temperature: float
    personal_data: PersonalData
    personal_state: PersonalState = PersonalState.BY_USER
    lives: Lives = LIVES


def question_of(request: GenerationRequest, rules: QuestionRules) -> Question:
    """The question that `request` asks."""
    plain = canonical.canonical(request)
    user = end_user(request.caller)
    owner = user if user and _is_private(plain, rules) else ""
    key = exact_key(canonical.serialise(plain), user=owner)
    uncacheable = _uncacheable(plain, rules)
    life = _life(plain, rules)
    prompt, exact_only = _matchable(plain)
    if prompt is not None and (private := _private_reason(prompt, rules)):
        prompt, exact_only = None, private
    scope = ""
    if prompt is not None:
        _take_out_prompt(plain.messages[-1])
        freshness = "" if life is STATIC else life.freshness.value
        scope = scope_key(canonical.serialise(plain), user=owner, freshness=freshness)
    credential = _digest(request.caller.provider_key)
    return Question(key, scope, request.model, prompt, request, exact_only, uncacheable, credential, life, user)


def _life(request: GenerationRequest, rules: QuestionRules) -> Life:
    """How long the answer may live: "and in Paris?" is about the weather if the turn before was."""
    return strictest(rules.lives.of(text) for text in islice(user_texts(request), _MOST_TURNS_READ))


def _private_reason(prompt: str, rules: QuestionRules) -> str:
    """Why `prompt` is matched by its exact key only; empty when it is not private."""
    if rules.personal_data is not PersonalData.ALLOW and has_identifiers(prompt):
        return "personal_data"
    if rules.personal_state is not PersonalState.ALLOW and about_the_caller(prompt):
        return "personal_state"
    return ""


def _is_private(request: GenerationRequest, rules: QuestionRules) -> bool:
    """Whether the request is its end user's own, so that its key holds them."""
    if rules.personal_state is not PersonalState.BY_USER:
        return False
    texts = list(islice(user_texts(request), _MOST_TURNS_READ + 1))
    return len(texts) > _MOST_TURNS_READ or any(_private_reason(text, rules) for text in texts)


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest() if secret else ""


def _uncacheable(request: GenerationRequest, rules: QuestionRules) -> str:
    """Why the answer depends on more than the request, or is meant to differ each time; empty when it does not."""
    if not request.sampling.temperature <= rules.max_temperature:
        return "temperature"
    if rules.personal_data is PersonalData.NO_STORE and any(map(has_identifiers, all_texts(request))):
        return "personal_data"
    if request.extra_json and _STATEFUL_MEMBERS & _members(request.extra_json):
        return "stateful"
    if any(tool.type != "function" and _STATEFUL_TOOLS.search(tool.type) for tool in request.tools):
        return "stateful"
    if _SEARCHING_MODEL.search(request.model):
        return "stateful"
    return ""


def _matchable(request: GenerationRequest) -> tuple[str | None, str]:
    """The text that may be matched by meaning; or None and why only the exact key counts."""
    for reason, applies in _EXACT_ONLY:
        if applies(request):
            return None, reason
    return _text_of(request.messages[-1]), ""


def _uses_tools(request: GenerationRequest) -> bool:
    if request.tools or request.HasField("tool_choice"):
        return True
    if any(message.tool_calls or message.HasField("tool_call_id") for message in request.messages):
        return True
    return bool(request.extra_json) and bool({"functions", "function_call"} & _members(request.extra_json))


_EXACT_ONLY: tuple[tuple[str, Callable[[GenerationRequest], bool]], ...] = (
    ("completion", lambda request: request.kind == GENERATION_KIND_COMPLETION),
    ("last_not_user", lambda request: not request.messages or request.messages[-1].role != "user"),
    ("tools", _uses_tools),
    ("modalities", lambda request: any(kind != "text" for kind in request.modalities)),
    ("media", lambda request: not all(map(_only_text, request.messages))),
    ("several_choices", lambda request: request.sampling.choice_count > 1),
    ("no_text", lambda request: not _text_of(request.messages[-1]).strip()),
    ("long_prompt", lambda request: len(_text_of(request.messages[-1])) > _LONGEST_PROMPT),
)


def _only_text(message: Message) -> bool:
    return all(part.WhichOneof("part") == "text" for part in message.parts)


def _text_of(message: Message) -> str:
    """The message's one text; empty when it has none or several."""
    if message.HasField("text"):
        return message.text
    return message.parts[0].text if len(message.parts) == 1 else ""


def _take_out_prompt(message: Message) -> None:
    if message.HasField("text"):
        message.text = ""
    else:
        message.parts[0].text = ""


def _members(text: str) -> set[str]:
    try:
        value = orjson.loads(text)
    except orjson.JSONDecodeError:
        return set()
    return {name for name, member in value.items() if member not in (None, False)} if isinstance(value, dict) else set()
