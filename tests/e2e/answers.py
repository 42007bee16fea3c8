"""Rich answers of a backend, whole and as chunks, and the putting together of chunks: independent of the product."""

from __future__ import annotations

import copy
from collections.abc import Iterable
from typing import Any

USAGE = {
    "prompt_tokens": 21,
    "completion_tokens": 34,
    "total_tokens": 55,
    "prompt_tokens_details": {"cached_tokens": 8, "audio_tokens": 0},
    "completion_tokens_details": {"reasoning_tokens": 13, "accepted_prediction_tokens": 2},
}
_MADE_ANEW = ("id", "created", "object")
"""A hit has its own id and date; the object's kind differs between the forms."""


def _token(text: str, logprob: float, *others: tuple[str, float]) -> dict[str, Any]:
    top = [(text, logprob), *others]
    return {
        **_bare(text, logprob),
        "top_logprobs": [_bare(other, probability) for other, probability in top],
    }


def _bare(text: str, logprob: float) -> dict[str, Any]:
    return {"token": text, "logprob": logprob, "bytes": list(text.encode())}


def _choice(index: int = 0, *, finish_reason: str = "stop", **members: Any) -> dict[str, Any]:
    logprobs = members.pop("logprobs", None)
    message = {"role": "assistant", "content": None, "refusal": None, **members}
    return {"index": index, "message": message, "logprobs": logprobs, "finish_reason": finish_reason}


def _answer(*choices: dict[str, Any], **members: Any) -> dict[str, Any]:
    return {
        "id": "chatcmpl-upstream",
        "object": "chat.completion",
        "created": 1_750_000_000,
        "model": "rich-2026-11-23",
        "choices": list(choices),
        "usage": copy.deepcopy(USAGE),
        "system_fingerprint": "fp_5ca1ab1e",
        "service_tier": "default",
        **members,
    }


def _call(number: int, name: str, arguments: str) -> dict[str, Any]:
    return {"id": f"call_{number}", "type": "function", "function": {"name": name, "arguments": arguments}}


_CALLS = [
    _call(1, "get_weather", '{"city": "Zürich", "unit": "C"}'),
    _call(2, "get_weather", '{"city": "Oslo",\n "unit": "C"}'),
    _call(3, "get_time", "{}"),
]
_LOGPROBS = {
    "content": [_token("Yes", -0.25, ("No", -1.5)), _token(", ", -0.001), _token("naïve", -2.75, ("é", -9.0))],
    "refusal": None,
}
_REFUSED = {"content": None, "refusal": [_token("Not", -0.5), _token(" that", -0.25)]}
_SPLIT = {  # one character in two tokens
    "content": [
        {"token": "\\xf0\\x9f", "logprob": -0.5, "bytes": [240, 159], "top_logprobs": []},
        {"token": "\\x8e\\x89", "logprob": -0.125, "bytes": [142, 137], "top_logprobs": []},
    ],
    "refusal": None,
}
_CUSTOM_CALL = {"id": "call_9", "type": "custom", "custom": {"name": "run", "input": "print('hé')\nexit()"}}
_AUDIO = {
    "id": "audio_1",
    "data": "UklGRiQAAABXQVZF",
    "transcript": "Hello there, friend.",
    "expires_at": 1_750_003_600,
}
SCENARIOS: dict[str, dict[str, Any]] = {
    "text": _answer(_choice(content="Paris is the capital.\n\n  And  it is — as ever — lovely. 🎉")),
    "tools": _answer(_choice(tool_calls=_CALLS, finish_reason="tool_calls")),
    "text_and_tools": _answer(_choice(content="Let me look.", tool_calls=_CALLS[:1], finish_reason="tool_calls")),
    "schema": _answer(_choice(content='{"city":"Paris","population":2102650,"tags":["capital"]}')),
    "logprobs": _answer(_choice(content="Yes, naïve", logprobs=_LOGPROBS)),
    "reasoning_content": _answer(_choice(content="42", reasoning_content="Six times seven …")),
    "reasoning": _answer(_choice(content="42", reasoning="Six times seven …")),
    "refusal": _answer(_choice(refusal="I can't help with that.")),
    "refusal_logprobs": _answer(_choice(refusal="Not that", logprobs=_REFUSED)),
    "split_character": _answer(_choice(content="🎉", logprobs=_SPLIT)),
    "audio": _answer(_choice(audio=_AUDIO)),
    "custom_tool": _answer(_choice(tool_calls=[_CUSTOM_CALL, _CALLS[0]], finish_reason="tool_calls")),
    "choices": _answer(*(_choice(number, content=f"Answer number {number}.") for number in range(3))),
    "unknown_members": _answer(
        _choice(
            content="Kept.", annotations=[{"type": "url_citation", "url_citation": {"url": "https://example.org"}}]
        ),
        provider_notes={"shard": 7, "ratio": 0.1, "nothing": None},
    ),
    "everything": _answer(
        _choice(0, content="Yes, naïve", reasoning_content="Hm. Well.", logprobs=_LOGPROBS),
        _choice(1, content="Calling.", tool_calls=_CALLS[:2], finish_reason="tool_calls"),
        _choice(2, refusal="Not that one."),
        provider_notes={"shard": 7},
    ),
}
_LEGACY_LOGPROBS = {
    "tokens": [" there", " was", " a", " dog."],
    "token_logprobs": [-0.5, -0.25, -0.125, -1.0],
    "top_logprobs": [{" there": -0.5}, {" was": -0.25}, {" a": -0.125}, {" dog.": -1.0}],
    "text_offset": [16, 22, 26, 28],
}
COMPLETION: dict[str, Any] = {
    "id": "cmpl-upstream",
    "object": "text_completion",
    "created": 1_750_000_000,
    "model": "rich-2026-11-23",
    "choices": [
        {"text": " there was a cat.", "index": 0, "logprobs": None, "finish_reason": "stop"},
        {"text": " there was a dog.", "index": 1, "logprobs": _LEGACY_LOGPROBS, "finish_reason": "stop"},
    ],
    "usage": {"prompt_tokens": 4, "completion_tokens": 10, "total_tokens": 14},
    "system_fingerprint": "fp_5ca1ab1e",
}


def text_answer(text: str, *, finish_reason: str = "stop", **members: Any) -> dict[str, Any]:
    """A plain answer of one text."""
    return _answer(_choice(content=text, finish_reason=finish_reason), **members)


def chunks_of(answer: dict[str, Any], *, include_usage: bool) -> list[dict[str, Any]]:
    """The chunks in which a backend would stream `answer`, the pieces of all choices interleaved."""
    legacy = answer["object"] == "text_completion"
    head = {name: value for name, value in answer.items() if name not in {"choices", "usage"}}
    head["object"] = "text_completion" if legacy else "chat.completion.chunk"
    pieces = [_legacy_pieces(choice) if legacy else _pieces(choice) for choice in answer["choices"]]
    chunks = [{**head, "choices": [piece]} for rank in _interleaved(pieces) for piece in rank]
    if include_usage:
        chunks = [{**chunk, "usage": None} for chunk in chunks] + [{**head, "choices": [], "usage": answer["usage"]}]
    return chunks


def _interleaved(lists: list[list[dict[str, Any]]]) -> Iterable[list[dict[str, Any]]]:
    for rank in range(max(map(len, lists))):
        yield [pieces[rank] for pieces in lists if rank < len(pieces)]


def _legacy_pieces(choice: dict[str, Any]) -> list[dict[str, Any]]:
    logprobs = choice["logprobs"]
    bare = {**choice, "logprobs": None}
    if logprobs is None:
        pieces = [{**bare, "text": half, "finish_reason": None} for half in _halves(choice["text"])]
    else:
        measured = [{name: values[at : at + 1] for name, values in logprobs.items()} for at in range(4)]
        pieces = [{**bare, "text": one["tokens"][0], "logprobs": one, "finish_reason": None} for one in measured]
    return [*pieces, {**bare, "text": ""}]


def _pieces(choice: dict[str, Any]) -> list[dict[str, Any]]:
    message = dict(choice["message"])
    deltas = [_plain_delta({"role": message.pop("role")})]
    for name in ("reasoning_content", "reasoning"):
        deltas += [_plain_delta({name: half}) for half in _halves(message.pop(name, None) or "")]
    deltas += _text_deltas("content", message.pop("content"), choice["logprobs"])
    deltas += _text_deltas("refusal", message.pop("refusal"), choice["logprobs"])
    deltas += _audio_deltas(message.pop("audio", None))
    for index, call in enumerate(message.pop("tool_calls", ())):
        deltas += _call_deltas(index, call)
    deltas += [_plain_delta({name: value}) for name, value in message.items()]
    pieces = [{"index": choice["index"], **delta, "finish_reason": None} for delta in deltas]
    return [*pieces, {"index": choice["index"], **_plain_delta({}), "finish_reason": choice["finish_reason"]}]


def _plain_delta(delta: dict[str, Any]) -> dict[str, Any]:
    return {"delta": delta, "logprobs": None}


def _text_deltas(name: str, text: str | None, logprobs: dict[str, Any] | None) -> list[dict[str, Any]]:
    tokens = (logprobs or {}).get(name)
    if tokens is None:
        return [_plain_delta({name: half}) for half in _halves(text or "")]
    none = {"content": None, "refusal": None}
    if "".join(token["token"] for token in tokens) != text:
        return [{"delta": {name: text}, "logprobs": {**none, name: tokens}}]
    return [{"delta": {name: token["token"]}, "logprobs": {**none, name: [token]}} for token in tokens]


def _audio_deltas(audio: dict[str, Any] | None) -> list[dict[str, Any]]:
    if audio is None:
        return []
    spoken = [{"transcript": half} for half in _halves(audio["transcript"])]
    heard = [{"data": half} for half in _halves(audio["data"])]
    ends = [{"expires_at": audio["expires_at"]}]
    return [_plain_delta({"audio": piece}) for piece in ({"id": audio["id"]}, *spoken, *heard, *ends)]


def _call_deltas(index: int, call: dict[str, Any]) -> list[dict[str, Any]]:
    kind = call["type"]
    text = "arguments" if kind == "function" else "input"
    opening = {"index": index, **call, kind: {**call[kind], text: ""}}
    more = [{"index": index, kind: {text: half}} for half in _halves(call[kind][text])]
    return [_plain_delta({"tool_calls": [piece]}) for piece in (opening, *more)]


def _halves(text: str) -> list[str]:
    middle = len(text) // 2
    return [half for half in (text[:middle], text[middle:]) if half]


def assembled(chunks: Iterable[dict[str, Any]]) -> dict[str, Any]:
    """The whole answer that `chunks` tell, as a careful client would put it together."""
    whole: dict[str, Any] = {"choices": {}, "usage": None}
    for chunk in chunks:
        for choice in chunk["choices"]:
            _add_choice(whole["choices"], choice)
        whole["usage"] = chunk.get("usage") or whole["usage"]
        whole |= {name: value for name, value in chunk.items() if name not in {"choices", "usage"}}
    whole["choices"] = [whole["choices"][index] for index in sorted(whole["choices"])]
    return whole


def _add_choice(choices: dict[int, dict[str, Any]], piece: dict[str, Any]) -> None:
    index = piece["index"]
    if "text" in piece:
        known = choices.setdefault(index, {"text": "", "index": index, "logprobs": None})
        known["text"] += piece["text"]
        for name, values in (piece["logprobs"] or {}).items():
            known["logprobs"] = known["logprobs"] or {}
            known["logprobs"][name] = known["logprobs"].get(name, []) + values
    else:
        known = choices.setdefault(
            index, {"index": index, "message": {"content": None, "refusal": None}, "logprobs": None}
        )
        for name, value in piece["delta"].items():
            _add_member(known["message"], name, value)
        for name, tokens in (piece.get("logprobs") or {}).items():
            if tokens is not None or known["logprobs"] is None:
                known["logprobs"] = known["logprobs"] or {"content": None, "refusal": None}
                known["logprobs"][name] = [*(known["logprobs"][name] or ()), *(tokens or ())] or None
    known["finish_reason"] = piece["finish_reason"] or known.get("finish_reason")


def _add_member(message: dict[str, Any], name: str, value: Any) -> None:
    if name == "tool_calls":
        for call in value:
            _add_call(message.setdefault("tool_calls", []), dict(call))
    elif name == "audio" and value is not None:
        for part, piece in value.items():
            _add_member(message.setdefault("audio", {}), part, piece)
    elif isinstance(value, str) and name != "role":
        message[name] = (message.get(name) or "") + value
    else:
        message[name] = value


def _add_call(calls: list[dict[str, Any]], piece: dict[str, Any]) -> None:
    index = piece.pop("index")
    if index == len(calls):
        calls.append({name: dict(value) if isinstance(value, dict) else value for name, value in piece.items()})
        return
    [(kind, more)] = piece.items()  # id, type and name come only once
    for name, text in more.items():
        calls[index][kind][name] = calls[index][kind].get(name, "") + text


def comparable(answer: dict[str, Any]) -> dict[str, Any]:
    """The answer without what a hit has anew."""
    return {name: value for name, value in answer.items() if name not in _MADE_ANEW}
