"""The settings of a request as its response repeats them.

What a request leaves open is repeated as its usual value where that is known here, and as null where the backend
decides.
"""

from __future__ import annotations

from typing import Any

_USUAL: dict[str, Any] = {
    "background": False,
    "conversation": None,
    "instructions": None,
    "max_output_tokens": None,
    "max_tool_calls": None,
    "metadata": {},
    "parallel_tool_calls": True,
    "previous_response_id": None,
    "prompt": None,
    "prompt_cache_key": None,
    "reasoning": {"effort": None, "summary": None},
    "safety_identifier": None,
    "service_tier": None,
    "store": False,
    "temperature": None,
    "text": {"format": {"type": "text"}},
    "tool_choice": "auto",
    "tools": [],
    "top_logprobs": 0,
    "top_p": None,
    "truncation": "disabled",
    "user": None,
}
_FIXED = frozenset({"background", "conversation", "previous_response_id", "prompt", "store", "truncation"})
"""Nothing is stored and no input is cut, whatever was asked."""
_MERGED = ("reasoning", "text")


def echo(body: dict[str, Any]) -> dict[str, Any]:
    """The settings in `body`, a valid request."""
    made = dict(_USUAL)
    for name in _USUAL.keys() - _FIXED:
        if (value := body.get(name)) is not None:
            made[name] = {**_USUAL[name], **value} if name in _MERGED else value
    made["text"] = {name: value for name, value in made["text"].items() if value is not None}
    made["text"].setdefault("format", _USUAL["text"]["format"])
    made["tools"] = [_tool(tool) for tool in made["tools"]]
    return made


def _tool(tool: dict[str, Any]) -> dict[str, Any]:
    """A tool with the members that a response always has."""
    return {"parameters": None, "strict": None, **tool} if tool["type"] == "function" else tool
