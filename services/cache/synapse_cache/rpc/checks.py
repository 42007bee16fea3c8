"""What every face of the cache checks before it asks the domain."""

from __future__ import annotations

from typing import TYPE_CHECKING

from synapse_cache.adapters import messages
from synapse_cache.adapters.questions import QuestionRules, question_of
from synapse_runtime.errors import NotFound, PermissionDenied
from synapse_runtime.identity import Role

if TYPE_CHECKING:
    from synapse.cache.v1.outcome_pb2 import CacheControl
    from synapse.llm.v1.request_pb2 import GenerationRequest
    from synapse_cache.model import Place, Policy, Question
    from synapse_runtime.call import Call


def asked(
    request: GenerationRequest, control: CacheControl, call: Call, rules: QuestionRules
) -> tuple[Question, Place, Policy]:
    """The question, where it looks, and what the caller wants.

    Raises InvalidArgument naming the field, PermissionDenied for a model that the caller may not ask.
    """
    messages.check_request(request)
    call.identity.require_model(request.model)
    place = messages.place_of(call, control.namespace)
    return question_of(request, rules), place, messages.policy_of(control)


def require_operator(call: Call) -> None:
    """Raise PermissionDenied unless the caller may change the cache."""
    if call.identity.role is Role.VIEWER:
        raise PermissionDenied("changing the cache needs the role operator or admin")


def tenant_of(call: Call, wanted: str) -> str:
    """The tenant a call is about: its own, or another one's for an admin; raises PermissionDenied."""
    if wanted and wanted != call.identity.tenant and call.identity.role is not Role.ADMIN:
        raise PermissionDenied("only an admin may ask for another tenant")
    return wanted or call.identity.tenant


def no_entry(entry_id: str) -> NotFound:
    """The error for an entry that is not there."""
    return NotFound(f"there is no entry {entry_id!r}", reason="ENTRY_NOT_FOUND")
