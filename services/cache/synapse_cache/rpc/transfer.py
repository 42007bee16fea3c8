"""Entries out and in."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from dataclasses import dataclass
from typing import TYPE_CHECKING

from synapse.cache.v1 import transfer_pb2 as wire
from synapse_cache import telemetry
from synapse_cache.adapters import messages
from synapse_cache.adapters.transfer_wire import exported, offer_of
from synapse_cache.invalidation.conditions import Conditions
from synapse_cache.rpc.checks import require_operator
from synapse_cache.transfer.intake import Fate, Refused
from synapse_runtime.errors import PermissionDenied, Unavailable
from synapse_runtime.identity import Role

if TYPE_CHECKING:
    from synapse_cache.transfer.export import Export
    from synapse_cache.transfer.intake import Intake
    from synapse_runtime.call import Call

_MOST_ERRORS = 20


@dataclass(frozen=True)
class TransferRpc:
    """The servicer of export and import."""

    export: Export
    intake: Intake

    async def export_entries(
        self, request: wire.ExportEntriesRequest, call: Call
    ) -> AsyncGenerator[wire.ExportEntriesResponse, None]:
        """Send the live entries of the caller's tenant."""
        if call.identity.role is Role.VIEWER:
            raise PermissionDenied("an export holds other callers' requests: it needs the role operator or admin")
        place = messages.place_of(call, request.namespace)
        namespace = place.namespace if request.namespace else None
        conditions = Conditions(namespace=namespace, tag=request.tag, model=request.model)
        async with aclosing(self.export.entries(place.tenant, conditions)) as found:
            async for one in found:
                yield exported(one, vectors=request.vectors)

    async def import_entries(
        self, requests: AsyncIterator[wire.ImportEntriesRequest], call: Call
    ) -> wire.ImportEntriesResponse:
        """Take entries in for the caller's tenant, as fast as they may come."""
        require_operator(call)
        reply, read = wire.ImportEntriesResponse(), 0
        async for request in requests:
            read += 1
            try:
                await self._take(request, call, reply, line=request.line or read)
            except Unavailable as error:
                message = f"{error.message} (before it, {reply.imported} of {read - 1} entries were imported)"
                raise Unavailable(message, reason=error.reason, retry_after_seconds=1) from error
        return reply

    async def _take(
        self, request: wire.ImportEntriesRequest, call: Call, reply: wire.ImportEntriesResponse, *, line: int
    ) -> None:
        """Take one entry in, and count in `reply` what became of it."""
        try:
            fate = await self.intake.take(offer_of(request, call))
        except Refused as refused:
            telemetry.imported("refused")
            reply.refused += 1
            if len(reply.errors) < _MOST_ERRORS:
                reply.errors.append(f"line {line}: {refused}")
            return
        reply.imported += fate is Fate.IMPORTED
        reply.unchanged += fate is Fate.UNCHANGED
        reply.expired += fate is Fate.EXPIRED
