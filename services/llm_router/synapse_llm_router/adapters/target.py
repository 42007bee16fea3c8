"""Whom a question is written for, and how what it cannot be asked is refused."""

from __future__ import annotations

from dataclasses import dataclass

from synapse_runtime.errors import InvalidArgument

UNSUPPORTED_CONTENT = "UNSUPPORTED_CONTENT"
UNSUPPORTED_PARAMETER = "UNSUPPORTED_PARAMETER"


@dataclass(frozen=True, slots=True)
class Target:
    """The backend by its name; `own` says whether the question came in the protocol that it speaks.

    Only then are members without a field put back, for only there are they understood.
    """

    backend: str
    own: bool

    def lacks_content(self, member: str, why: str) -> InvalidArgument:
        """The refusal of a piece of the conversation, which `why` explains."""
        return self._refusal(member, why, UNSUPPORTED_CONTENT)

    def lacks_parameter(self, member: str, why: str) -> InvalidArgument:
        """The refusal of a parameter, which `why` explains."""
        return self._refusal(member, why, UNSUPPORTED_PARAMETER)

    def _refusal(self, member: str, why: str, reason: str) -> InvalidArgument:
        message = f"the backend {self.backend!r} cannot take {member}: {why}"
        return InvalidArgument(message, reason=reason, metadata={"backend": self.backend, "field": member})
