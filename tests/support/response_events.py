"""A streamed response read as a client reads it: the events of the body, and what they add up to."""

from __future__ import annotations

import json
from typing import Any

_TEXTS = {"output_text": "text", "refusal": "refusal", "reasoning_text": "text"}


def events_of(body: bytes) -> list[dict[str, Any]]:
    """The events of a body, each under its own name and numbered without a gap."""
    parts = body.split(b"\n\n")
    assert parts.pop() == b""
    made = []
    for part in parts:
        name, _, data = part.partition(b"\ndata: ")
        event = json.loads(data)
        assert name == b"event: " + event["type"].encode()
        made.append(event)
    assert [event["sequence_number"] for event in made] == list(range(len(made)))
    return made


class Reader:
    """Adds up the events of one response and holds them to their grammar."""

    def __init__(self) -> None:
        self.response: dict[str, Any] = {}
        self.items: list[dict[str, Any]] = []
        self._done: set[int] = set()
        self._open_part: tuple[int, int] | None = None

    def read(self, events: list[dict[str, Any]]) -> dict[str, Any]:
        """The response that the events end in; what was told on the way must be what it says."""
        first, second, *others, last = events
        assert (first["type"], second["type"]) == ("response.created", "response.in_progress")
        assert first["response"]["output"] == []
        for event in others:
            self._take(event)
        assert last["type"] == f"response.{last['response']['status']}"
        self.response = last["response"]
        assert self.response["id"] == first["response"]["id"]
        assert self._done == set(range(len(self.items)))
        assert self.items == self.response["output"]
        return self.response

    def _take(self, event: dict[str, Any]) -> None:
        _, _, rest = event["type"].partition("response.")
        name, _, step = rest.rpartition(".")
        if name == "output_item":
            self._item(event, step)
        elif name == "content_part":
            self._part(event, step)
        elif name in _TEXTS:
            self._text(event, name, step)
        else:
            self._call(event, name, step)

    def _item(self, event: dict[str, Any], step: str) -> None:
        index, item = event["output_index"], event["item"]
        if step == "added":
            assert index == len(self.items)
            assert item["status"] == "in_progress"
            self.items.append(item)
            return
        assert self._open_part is None
        self._done.add(index)
        mine = {**self.items[index], "status": item["status"]}
        if item["type"] == "reasoning":
            mine["encrypted_content"] = item["encrypted_content"]
        assert mine == item
        self.items[index] = item

    def _part(self, event: dict[str, Any], step: str) -> None:
        place = (event["output_index"], event["content_index"])
        content = self.items[place[0]]["content"]
        assert event["item_id"] == self.items[place[0]]["id"]
        if step == "added":
            assert self._open_part is None
            assert place[1] == len(content)
            content.append(event["part"])
            self._open_part = place
            return
        assert self._open_part == place
        assert content[place[1]] == event["part"]
        self._open_part = None

    def _text(self, event: dict[str, Any], name: str, step: str) -> None:
        place = (event["output_index"], event["content_index"])
        assert self._open_part == place
        part = self.items[place[0]]["content"][place[1]]
        assert part["type"] == name
        if step == "delta":
            assert event["delta"]
            part[_TEXTS[name]] += event["delta"]
            part.get("logprobs", []).extend(event.get("logprobs", []))
        else:
            assert event[_TEXTS[name]] == part[_TEXTS[name]]
            assert event.get("logprobs", []) == part.get("logprobs", [])

    def _call(self, event: dict[str, Any], name: str, step: str) -> None:
        member = {"function_call_arguments": "arguments", "custom_tool_call_input": "input"}[name]
        item = self.items[event["output_index"]]
        assert item["id"] == event["item_id"]
        if step == "delta":
            item[member] += event["delta"]
        else:
            assert event[member] == item[member]
