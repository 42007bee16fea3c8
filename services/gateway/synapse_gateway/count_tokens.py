"""Counting the tokens of a prompt without asking for an answer."""

from __future__ import annotations

import orjson

from synapse.router.v1 import router_pb2
from synapse_gateway import controls
from synapse_gateway.anthropic.request import read_count
from synapse_gateway.exchange import Exchange
from synapse_gateway.ports import Mesh
from synapse_gateway.presence import Presence


class CountTokens:
    """Answers `/v1/messages/count_tokens`; the header `x-synapse-tokens-estimated` says when it is a guess."""

    route = "count_tokens"

    def __init__(self, mesh: Mesh, *, max_body_bytes: int) -> None:
        self._mesh = mesh
        self._max_body_bytes = max_body_bytes

    async def __call__(self, exchange: Exchange) -> None:
        """Answer one request."""
        request = read_count(await exchange.body(self._max_body_bytes), exchange.headers)
        exchange.known_account.require_model(request.model)
        if (key := controls.provider_key(exchange.headers)) is not None:
            request.caller.provider_key = key
        with Presence(exchange):
            response = await self._mesh.count_tokens(router_pb2.CountTokensRequest(request=request), exchange.caller)
        headers = [(b"x-synapse-tokens-estimated", b"true")] if response.estimated else []
        await exchange.reply_json(orjson.dumps({"input_tokens": response.input_tokens}), headers)
