"""TGI's answers as canonical events; a whole answer is one event that tells all.

| TGI member                                          | canonical place                                            |
|-----------------------------------------------------|------------------------------------------------------------|
| `generated_text`, in a stream `token.text`          | `content`, without the stop text in which it ends          |
| tokens that are `special`                           | left out, as `generated_text` does                         |
| `token` / `details.tokens` `{text, logprob}`        | `logprobs`, if asked for; the ids are left out             |
| `top_tokens`                                        | `logprobs.content[].top`                                   |
| `details.finish_reason` eos_token, stop_sequence    | FINISH_REASON_STOP, with the caller's `stop_sequence`      |
| `details.finish_reason` length                      | FINISH_REASON_LENGTH                                       |
| another                                             | FINISH_REASON_OTHER, the word in `finish_detail`           |
| `details.generated_tokens`                          | `usage.completion_tokens`                                  |
| `details.input_length`, header `x-prompt-tokens`    | `usage.prompt_tokens`; with neither there is no `usage`    |
| `details.seed` `.prefill` `.best_of_sequences`      | left out                                                   |
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from synapse.llm.v1 import generation_pb2 as wire
from synapse.router.v1.router_pb2 import StreamGenerateResponse
from synapse_llm_router.adapters import failures
from synapse_llm_router.adapters.members_json import JsonObject
from synapse_llm_router.adapters.probabilities import LegacyLogprobs
from synapse_llm_router.adapters.stops import StopCutter, without_stop
from synapse_llm_router.adapters.streaming import event_value

_FINISH = {
    "eos_token": wire.FINISH_REASON_STOP,
    "stop_sequence": wire.FINISH_REASON_STOP,
    "length": wire.FINISH_REASON_LENGTH,
}


class TokenReader:
    """Reads one answer of `model`, whole or event by event.

    `stops` are the caller's, `ends` those of the template of the prompt. With `completion` the probabilities have the
    form of completions.
    """

    def __init__(
        self, model: str, *, stops: Sequence[str], ends: Sequence[str], completion: bool, probabilities: bool
    ) -> None:
        self._model = model
        self._own_stops = frozenset(stops)
        self._stops = (*stops, *ends)
        self._cutter: StopCutter[wire.TokenLogprob] = StopCutter(self._stops)
        self._completion = completion
        self._legacy = LegacyLogprobs()
        self._probabilities = probabilities
        self._begun = False
        self._told_text = False
        self.done = False

    def read_event(self, value: Any, event: wire.GenerationEvent) -> bool:
        """Fill `event` from an event's JSON value; returns whether there was anything to tell. Raises Malformed."""
        try:
            token = value["token"]
            self.done = value.get("generated_text") is not None
            said = "" if token.get("special") else token["text"]
            text, tokens = self._cutter.add(said, self._probability(token, value.get("top_tokens")))
            stop = ""
            if self.done:
                rest, more, stop = self._cutter.end()
                text, tokens = text + rest, [*tokens, *more]
                _put_usage(value["details"], {}, event)
            return self._tell(event, text, tokens, value.get("details"), stop)
        except (TypeError, ValueError, KeyError, AttributeError) as error:  # a value of another type
            raise failures.Malformed(f"an event does not have TGI's form: {error!r}") from error

    def read_whole(self, value: Any, headers: Mapping[str, str], event: wire.GenerationEvent) -> None:
        """Fill `event` from the JSON value of a whole answer. Raises Malformed."""
        self.done = True
        try:
            details = value["details"]
            text, stop = without_stop(value["generated_text"], self._stops)
            tokens: list[wire.TokenLogprob] = []
            told = 0
            for number, token in enumerate(details["tokens"] if self._probabilities else ()):
                top = details.get("top_tokens")
                if told < len(text) and (known := self._probability(token, top[number] if top else None)):
                    tokens.append(known)
                    told += len(known.token)
            _put_usage(details, headers, event)
            self._tell(event, text, tokens, details, stop)
        except (TypeError, ValueError, KeyError, AttributeError, IndexError) as error:  # a value of another type
            raise failures.Malformed(f"the answer does not have TGI's form: {error!r}") from error

    def _probability(self, token: JsonObject, top: Any) -> wire.TokenLogprob | None:
        if not self._probabilities or token.get("special"):
            return None
        likely = [wire.TokenLogprob(token=one["text"], logprob=one["logprob"]) for one in top or ()]
        return wire.TokenLogprob(token=token["text"], logprob=token["logprob"], top=likely)

    def _tell(
        self, event: wire.GenerationEvent, text: str, tokens: list[wire.TokenLogprob], details: Any, stop: str
    ) -> bool:
        delta = wire.ChoiceDelta()
        self._told_text = self._told_text or bool(text)
        if text or (self.done and not self._told_text):
            delta.content = text
        if tokens and self._completion:
            self._legacy.write(tokens, delta.logprobs)
        elif tokens:
            delta.logprobs.content.extend(tokens)
        if self.done:
            _put_end(delta, details["finish_reason"])
            if stop in self._own_stops:
                delta.stop_sequence = stop
        if not delta.ByteSize():
            return False
        if not self._begun:
            self._begun = True
            event.head.model = self._model
            if not self._completion:
                delta.role = "assistant"
        event.deltas.append(delta)
        return True


class TokenEvents:
    """The events of a streamed answer of `backend`."""

    complete = False

    def __init__(self, backend: str, headers: Mapping[str, str], reader: TokenReader) -> None:
        self._backend = backend
        self._headers = headers
        self._reader = reader

    def read(self, _name: bytes, data: bytes, response: StreamGenerateResponse) -> bool:
        """Add the event in `data` to `response`; returns whether it is the last. Raises SynapseError or Malformed."""
        event = wire.GenerationEvent()
        if self._reader.read_event(event_value(data, self._backend, self._headers), event):
            response.events.append(event)
        return self._reader.done


def _put_end(delta: wire.ChoiceDelta, word: str) -> None:
    delta.finish_reason = _FINISH.get(word, wire.FINISH_REASON_OTHER)
    if delta.finish_reason == wire.FINISH_REASON_OTHER:
        delta.finish_detail = word


def _put_usage(details: JsonObject, headers: Mapping[str, str], event: wire.GenerationEvent) -> None:
    prompt = details.get("input_length", headers.get("x-prompt-tokens"))
    if prompt is not None:
        event.usage.prompt_tokens = int(prompt)
        event.usage.completion_tokens = details["generated_tokens"]
        event.usage.total_tokens = event.usage.prompt_tokens + event.usage.completion_tokens
