"""Counting the tokens of a prompt without asking for an answer."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeAlias

import orjson

from synapse.llm.v1 import request_pb2
from synapse.router.v1 import router_pb2
from synapse_gateway import controls
from synapse_gateway.exchange import Exchange
from synapse_gateway.ports import Mesh
from synapse_gateway.presence import Presence

Read: TypeAlias = Callable[[bytes, Mapping[bytes, bytes]], request_pb2.GenerationRequest]
"""Takes a request's body and headers; raises Problem 400."""


class CountTokens:
    """Answers requests that `read` understands with a number of tokens and `members`.

    The header `x-synapse-tokens-estimated` says when the number is a guess.
    """

    route = "count_tokens"

    def __init__(self, mesh: Mesh, read: Read, *, members: Mapping[str, str], max_body_bytes: int) -> None:
        self._mesh = mesh
        self._read = read
        self._members = members
        self._max_body_bytes = max_body_bytes

    async def __call__(self, exchange: Exchange) -> None:
        """Answer one request."""
        request = self._read(await exchange.body(self._max_body_bytes), exchange.headers)
        exchange.known_account.require_model(request.model)
        if (key := controls.provider_key(exchange.headers)) is not None:
            request.caller.provider_key = key
        with Presence(exchange):
            response = await self._mesh.count_tokens(router_pb2.CountTokensRequest(request=request), exchange.caller)
        headers = [(b"x-synapse-tokens-estimated", b"true")] if response.estimated else []
        await exchange.reply_json(orjson.dumps({**self._members, "input_tokens": response.input_tokens}), headers)
