"""What a backend signs or hides of its thoughts, as the `encrypted_content` of a reasoning item.

Clients hand it back unread with the conversation, so it carries the provider's signature from one call to the next
without anything being kept here.
"""

from __future__ import annotations

from synapse.llm.v1 import content_pb2
from synapse_gateway.problems import invalid

_SIGNATURE, _REDACTED = "synapse.signature.", "synapse.redacted."


def sealed(*, signature: str, redacted_data: str) -> str | None:
    """The `encrypted_content` of thoughts; None for those that bear no seal."""
    if redacted_data:
        return _REDACTED + redacted_data
    return _SIGNATURE + signature if signature else None


def unseal(thought: content_pb2.Thinking, text: str, where: str) -> None:
    """Lay what `sealed` made into a thought; raises Problem 400 for a seal of somebody else."""
    if text.startswith(_SIGNATURE):
        thought.signature = text.removeprefix(_SIGNATURE)
    elif text.startswith(_REDACTED):
        thought.redacted_data = text.removeprefix(_REDACTED)
    else:
        message = f"'{where}' was not made by this service, and no backend of it can read it: leave the item out."
        raise invalid(message, where, "invalid_encrypted_content")
