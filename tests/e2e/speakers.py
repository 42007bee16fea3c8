"""The same conversation asked in each protocol with its official SDK: OpenAI chat and responses, Anthropic messages."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, ClassVar, Protocol

from anthropic import Anthropic
from openai import OpenAI

from tests.e2e import answers
from tests.e2e.questions import Call, Called, Finish, Question, Returned, Said, Told
from tests.support.mesh import MeshProcess

PROTOCOLS = ("chat", "responses", "messages")
FORMS = ("plain", "streamed")


class BrokenOff(Exception):
    """A stream of responses ended in an event that tells a failure, which the SDK hands on as it came."""

    def __init__(self, message: str, kind: str) -> None:
        super().__init__(message)
        self.message = message
        self.kind = kind


class Speaker(Protocol):
    """One protocol, asked with its SDK."""

    protocol: ClassVar[str]

    def ask(self, model: str, question: Question, **options: Any) -> Told:
        """Ask for a whole answer; `options` are the SDK's for this call."""
        ...

    def stream(self, model: str, question: Question, **options: Any) -> Told:
        """Ask for a stream and read it to its end."""
        ...


def tell(speaker: Speaker, form: str, model: str, question: Question, **options: Any) -> Told:
    """Ask in the form "plain" or "streamed"."""
    return (speaker.stream if form == "streamed" else speaker.ask)(model, question, **options)


@contextmanager
def speakers(mesh: MeshProcess, namespace: str, **options: Any) -> Iterator[dict[str, Speaker]]:
    """A speaker of `mesh` for each protocol; `options` are the SDK clients'."""
    headers = {"x-synapse-namespace": namespace}
    settings = {"api_key": mesh.endpoint.key, "max_retries": 0, "timeout": 60.0, "default_headers": headers, **options}
    with ExitStack() as stack:
        openai = stack.enter_context(OpenAI(base_url=mesh.base_url, **settings))
        anthropic = stack.enter_context(Anthropic(base_url=mesh.endpoint.url, **settings))
        yield {"chat": Chat(openai), "responses": Responses(openai), "messages": Messages(anthropic)}


class Chat:
    """/v1/chat/completions."""

    protocol = "chat"
    _finishes: ClassVar[dict[str, Finish]] = {
        "stop": "stop",
        "length": "length",
        "tool_calls": "calls",
        "content_filter": "filtered",
    }

    def __init__(self, client: OpenAI) -> None:
        self.client = client

    def ask(self, model: str, question: Question, **options: Any) -> Told:
        raw = self.client.chat.completions.with_raw_response.create(**self.body(model, question), **options)
        return self._told(json.loads(raw.text), raw.headers, raw.parse())

    def stream(self, model: str, question: Question, **options: Any) -> Told:
        body = {**self.body(model, question), "stream": True, "stream_options": {"include_usage": True}}
        raw = self.client.chat.completions.with_raw_response.create(**body, **options)
        with raw.parse() as stream:
            chunks = [chunk.to_dict(mode="json") for chunk in stream]
        return self._told(answers.assembled(chunks), raw.headers, chunks)

    def body(self, model: str, question: Question) -> dict[str, Any]:
        """The members of the request."""
        system = [{"role": "system", "content": question.system}] if question.system else []
        messages = [message for turn in question.turns for message in self._messages(turn)]
        if question.picture:
            image = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{question.picture}"}}
            messages[-1]["content"] = [{"type": "text", "text": messages[-1]["content"]}, image]
        body = {"model": model, "messages": system + messages, "max_tokens": question.max_tokens}
        if question.tools:
            body["tools"] = [
                {"type": "function", "function": {"name": tool.name, "parameters": tool.parameters, "strict": True}}
                for tool in question.tools
            ]
        if question.tool_choice:
            named = {"type": "function", "function": {"name": question.tool_choice}}
            body["tool_choice"] = "required" if question.tool_choice == "required" else named
        if question.schema:
            schema = {"name": "answer", "schema": question.schema, "strict": True}
            body["response_format"] = {"type": "json_schema", "json_schema": schema}
        return {**body, **_tuning(question)}

    @staticmethod
    def _messages(turn: Any) -> list[dict[str, Any]]:
        match turn:
            case Said():
                return [{"role": turn.role, "content": turn.text}]
            case Called():
                functions = [
                    (call.id, {"name": call.name, "arguments": json.dumps(call.arguments)}) for call in turn.calls
                ]
                calls = [{"id": id_, "type": "function", "function": function} for id_, function in functions]
                return [{"role": "assistant", "content": turn.text or None, "tool_calls": calls}]
            case Returned():
                results = turn.results.items()
                return [{"role": "tool", "tool_call_id": id_, "content": text} for id_, text in results]
            case _:
                raise TypeError(turn)

    def _told(self, answer: dict[str, Any], headers: Any, raw: Any) -> Told:
        [choice] = answer["choices"]
        message, usage = choice["message"], answer["usage"] or {}
        calls = message.get("tool_calls") or ()
        return Told(
            text=message.get("content") or "",
            finish=self._finishes[choice["finish_reason"]],
            calls=tuple(_call(call["id"], call["function"]["name"], call["function"]["arguments"]) for call in calls),
            thinking=message.get("reasoning_content") or message.get("reasoning") or "",
            tokens=(usage.get("prompt_tokens", 0), usage.get("completion_tokens", 0)),
            headers=headers,
            raw=raw,
        )


class Responses:
    """/v1/responses."""

    protocol = "responses"

    def __init__(self, client: OpenAI) -> None:
        self.client = client

    def ask(self, model: str, question: Question, **options: Any) -> Told:
        raw = self.client.responses.with_raw_response.create(**self.body(model, question), **options)
        return self._told(raw.parse(), raw.headers)

    def stream(self, model: str, question: Question, **options: Any) -> Told:
        raw = self.client.responses.with_raw_response.create(stream=True, **self.body(model, question), **options)
        with raw.parse() as stream:
            events = list(stream)
        if (failed := _failed(events[-1])) is not None:
            raise failed
        return self._told(events[-1].response, raw.headers)

    def body(self, model: str, question: Question) -> dict[str, Any]:
        """The members of the request."""
        items = [item for turn in question.turns for item in self._items(turn)]
        if question.picture:
            image = {"type": "input_image", "image_url": f"data:image/png;base64,{question.picture}"}
            items[-1]["content"] = [{"type": "input_text", "text": items[-1]["content"]}, image]
        body: dict[str, Any] = {"model": model, "input": items, "max_output_tokens": question.max_tokens}
        if question.system:
            body["instructions"] = question.system
        if question.tools:
            body["tools"] = [
                {"type": "function", "name": tool.name, "parameters": tool.parameters, "strict": True}
                for tool in question.tools
            ]
        if question.tool_choice:
            named = {"type": "function", "name": question.tool_choice}
            body["tool_choice"] = "required" if question.tool_choice == "required" else named
        if question.schema:
            schema = {"type": "json_schema", "name": "answer", "schema": question.schema, "strict": True}
            body["text"] = {"format": schema}
        return {**body, **_tuning(question)}

    @staticmethod
    def _items(turn: Any) -> list[dict[str, Any]]:
        match turn:
            case Said():
                return [{"role": turn.role, "content": turn.text}]
            case Called():
                words = [{"role": "assistant", "content": turn.text}] if turn.text else []
                calls = [(call.id, call.name, json.dumps(call.arguments)) for call in turn.calls]
                return words + [
                    {"type": "function_call", "call_id": id_, "name": name, "arguments": arguments}
                    for id_, name, arguments in calls
                ]
            case Returned():
                results = turn.results.items()
                return [{"type": "function_call_output", "call_id": id_, "output": text} for id_, text in results]
            case _:
                raise TypeError(turn)

    @staticmethod
    def _told(answer: Any, headers: Any) -> Told:
        calls = tuple(
            _call(item.call_id, item.name, item.arguments) for item in answer.output if item.type == "function_call"
        )
        thoughts = [
            text.text
            for item in answer.output
            if item.type == "reasoning"
            for text in (*item.summary, *(item.content or ()))
        ]
        return Told(
            text=answer.output_text,
            finish=_finish_of(answer, calls),
            calls=calls,
            thinking="".join(thoughts),
            tokens=(answer.usage.input_tokens, answer.usage.output_tokens) if answer.usage else (0, 0),
            headers=headers,
            raw=answer,
        )


class Messages:
    """/v1/messages."""

    protocol = "messages"
    _finishes: ClassVar[dict[str, Finish]] = {
        "end_turn": "stop",
        "stop_sequence": "stop",
        "max_tokens": "length",
        "model_context_window_exceeded": "length",
        "tool_use": "calls",
        "refusal": "filtered",
    }

    def __init__(self, client: Anthropic) -> None:
        self.client = client

    def ask(self, model: str, question: Question, **options: Any) -> Told:
        raw = self.client.messages.with_raw_response.create(**self.body(model, question), **options)
        return self._told(raw.parse(), raw.headers)

    def stream(self, model: str, question: Question, **options: Any) -> Told:
        with self.client.messages.stream(**self.body(model, question), **options) as stream:
            return self._told(stream.get_final_message(), stream.response.headers)

    def body(self, model: str, question: Question) -> dict[str, Any]:
        """The members of the request."""
        messages = [self._message(turn) for turn in question.turns]
        if question.picture:
            source = {"type": "base64", "media_type": "image/png", "data": question.picture}
            content = [{"type": "text", "text": messages[-1]["content"]}, {"type": "image", "source": source}]
            messages[-1]["content"] = content
        body = {"model": model, "messages": messages, "max_tokens": question.max_tokens}
        if question.system:
            body["system"] = question.system
        if question.tools:
            body["tools"] = [
                {"name": tool.name, "input_schema": tool.parameters, "strict": True} for tool in question.tools
            ]
        if question.tool_choice:
            named = {"type": "tool", "name": question.tool_choice}
            body["tool_choice"] = {"type": "any"} if question.tool_choice == "required" else named
        if question.schema:
            body["output_config"] = {"format": {"type": "json_schema", "schema": question.schema}}
        return {**body, "extra_body": {**_temperature(question), **question.extra}}

    @staticmethod
    def _message(turn: Any) -> dict[str, Any]:
        match turn:
            case Said():
                return {"role": turn.role, "content": turn.text}
            case Called():
                words = [{"type": "text", "text": turn.text}] if turn.text else []
                uses = [
                    {"type": "tool_use", "id": call.id, "name": call.name, "input": call.arguments}
                    for call in turn.calls
                ]
                return {"role": "assistant", "content": words + uses}
            case Returned():
                results = turn.results.items()
                blocks = [{"type": "tool_result", "tool_use_id": id_, "content": text} for id_, text in results]
                return {"role": "user", "content": blocks}
            case _:
                raise TypeError(turn)

    def _told(self, answer: Any, headers: Any) -> Told:
        blocks = answer.content
        calls = tuple(Call(block.id, block.name, block.input) for block in blocks if block.type == "tool_use")
        return Told(
            text="".join(block.text for block in blocks if block.type == "text"),
            finish=self._finishes.get(answer.stop_reason, "other"),
            calls=calls,
            thinking="".join(block.thinking for block in blocks if block.type == "thinking"),
            tokens=(_prompt_tokens(answer.usage), answer.usage.output_tokens),
            headers=headers,
            raw=answer,
        )


def _prompt_tokens(usage: Any) -> int:
    """All tokens of the prompt; Anthropic tells those apart that the provider's own cache wrote and read."""
    apart = (usage.cache_creation_input_tokens or 0) + (usage.cache_read_input_tokens or 0)
    return int(usage.input_tokens + apart)


def _call(id_: str, name: str, arguments: str) -> Call:
    return Call(id_, name, json.loads(arguments))


def _failed(event: Any) -> BrokenOff | None:
    """The failure that an event tells."""
    match event.type:
        case "error":
            return BrokenOff(event.message, event.code or "")
        case "response.failed":
            return BrokenOff(event.response.error.message, event.response.error.code)
        case _:
            return None


def _finish_of(answer: Any, calls: tuple[Call, ...]) -> Finish:
    if answer.incomplete_details is not None:
        return "length" if answer.incomplete_details.reason == "max_output_tokens" else "filtered"
    return "calls" if calls else "stop"


def _tuning(question: Question) -> dict[str, Any]:
    return {**_temperature(question), "extra_body": dict(question.extra)}


def _temperature(question: Question) -> dict[str, float]:
    return {} if question.temperature is None else {"temperature": question.temperature}
