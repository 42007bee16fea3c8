"""What kind of failure an error of a backend is, by which the router decides what to do about it.

| fault          | other backends of the model | the same again | fallback models | counts against the backend |
|----------------|-----------------------------|----------------|-----------------|----------------------------|
| UNAVAILABLE    | yes                         | yes            | `unavailable`   | yes                        |
| TIMEOUT        | yes                         | no             | `timeout`       | yes                        |
| RATE_LIMITED   | yes                         | yes            | `rate_limited`  | no, but it rests           |
| CREDENTIALS    | yes                         | no             | no              | no, but it rests           |
| MISSING        | yes                         | no             | no              | no                         |
| UNSUPPORTED    | yes                         | no             | no              | no                         |
| CONTEXT_WINDOW | no                          | no             | `context_window`| no                         |
| CONTENT_POLICY | no                          | no             | `content_policy`| no                         |
| CALLER         | no                          | no             | no              | no                         |
"""

from __future__ import annotations

from enum import StrEnum

from synapse.router.v1.router_pb2 import ProviderError
from synapse_runtime.errors import SynapseError


class Fault(StrEnum):
    """The kinds of failures."""

    UNAVAILABLE = "unavailable"
    TIMEOUT = "timeout"
    RATE_LIMITED = "rate_limited"
    CREDENTIALS = "credentials"
    MISSING = "missing"
    UNSUPPORTED = "unsupported"
    CONTEXT_WINDOW = "context_window"
    CONTENT_POLICY = "content_policy"
    CALLER = "caller"


MOVING = frozenset(
    {Fault.UNAVAILABLE, Fault.TIMEOUT, Fault.RATE_LIMITED, Fault.CREDENTIALS, Fault.MISSING, Fault.UNSUPPORTED}
)
"""Faults after which another backend of the same model may do better."""
RESTING = frozenset({Fault.RATE_LIMITED, Fault.CREDENTIALS})
"""Faults after which a backend is passed over for a while if others can take over."""

_BY_REASON = {
    "UPSTREAM_UNREACHABLE": Fault.UNAVAILABLE,
    "UPSTREAM_TRUNCATED": Fault.UNAVAILABLE,
    "UPSTREAM_INVALID": Fault.UNAVAILABLE,
    "UPSTREAM_BUSY": Fault.RATE_LIMITED,
    "UPSTREAM_TIMEOUT": Fault.TIMEOUT,
    "UPSTREAM_TOO_LARGE": Fault.CALLER,
    "UNSUPPORTED_CONTENT": Fault.UNSUPPORTED,
    "UNSUPPORTED_PARAMETER": Fault.UNSUPPORTED,
    "BACKEND_STARTING": Fault.UNAVAILABLE,
    "BACKENDS_COOLING_DOWN": Fault.UNAVAILABLE,
    "QUEUE_FULL": Fault.RATE_LIMITED,
    "QUEUE_TIMEOUT": Fault.RATE_LIMITED,
}
_BY_CODE = {
    "UNAVAILABLE": Fault.UNAVAILABLE,
    "INTERNAL": Fault.UNAVAILABLE,
    "DEADLINE_EXCEEDED": Fault.TIMEOUT,
    "FAILED_PRECONDITION": Fault.CREDENTIALS,
    "UNAUTHENTICATED": Fault.CREDENTIALS,
    "PERMISSION_DENIED": Fault.CREDENTIALS,
    "NOT_FOUND": Fault.MISSING,
}
_CONTEXT_WINDOW = (
    "context_length_exceeded",  # OpenAI
    "exceed_context_size_error",  # llama.cpp
    "model_context_window_exceeded",
    "maximum context length",  # OpenAI, vLLM, OpenRouter
    "maximum model length",  # vLLM
    "longer than the maximum model length",
    "exceeds the available context size",  # llama.cpp
    "exceeds the context window",
    "context window",
    "context length",  # Ollama, LM Studio
    "prompt is too long",  # Anthropic
    "input is too long",  # Bedrock
    "`inputs` must have less than",  # TGI
    "`inputs` tokens + `max_new_tokens` must be",  # TGI
    "input token count exceeds",  # Gemini
    "exceeds the maximum number of tokens",
)
_CONTENT_POLICY = (
    "content_policy_violation",
    "content_filter",
    "responsibleaipolicyviolation",  # Azure
    "content management policy",  # Azure
    "content filtering policy",  # Anthropic
    "safety system",
    "invalid_prompt",  # OpenAI, for reasoning models
    "flagged as potentially violating",
)
_SPENT = ("insufficient_quota", "billing_error", "billing_hard_limit_reached", "credit balance is too low")
_TOO_LARGE, _TOO_MANY = 413, 429
_NOBODY_THERE = frozenset({502, 503, 504})
_NEVER_AGAIN = frozenset(
    {
        *("UPSTREAM_INVALID", "UPSTREAM_BUSY", "BACKEND_STARTING", "BACKENDS_COOLING_DOWN"),
        *("QUEUE_FULL", "QUEUE_TIMEOUT"),
    }
)
_OWN_TIME = frozenset({"total", "caller"})


def provider_error(error: SynapseError) -> ProviderError | None:
    """What the backend itself said; None where it said nothing."""
    return next((detail for detail in error.details if isinstance(detail, ProviderError)), None)


def fault_of(error: SynapseError) -> Fault:
    """The kind of failure that `error` is."""
    if known := _BY_REASON.get(error.reason):
        return known
    told = provider_error(error)
    text = f"{error.message}\n{told.body if told else ''}".lower()
    kind = error.code.name
    if kind in {"INVALID_ARGUMENT", "FAILED_PRECONDITION", "UNAVAILABLE", "PERMISSION_DENIED"}:
        if any(mark in text for mark in _CONTEXT_WINDOW):
            return Fault.CONTEXT_WINDOW
        if any(mark in text for mark in _CONTENT_POLICY):
            return Fault.CONTENT_POLICY
    if kind == "RESOURCE_EXHAUSTED":
        return Fault.RATE_LIMITED if told is None or told.http_status in {_TOO_MANY, 200} else Fault.CALLER
    if any(mark in text for mark in _SPENT):
        return Fault.CREDENTIALS
    return _BY_CODE.get(kind, Fault.CALLER)


def may_be_repeated(error: SynapseError, fault: Fault) -> bool:
    """Whether the same backend may do better in a moment."""
    if fault not in {Fault.UNAVAILABLE, Fault.RATE_LIMITED} or error.reason in _NEVER_AGAIN:
        return False
    told = provider_error(error)
    if told is None:
        return True
    spent = fault is Fault.RATE_LIMITED and any(mark in told.body for mark in _SPENT)
    return not spent and told.headers.get("x-should-retry") != "false"


def is_loading(error: SynapseError, *, watched: bool) -> bool:
    """Whether a backend that never answered yet may fail so because it is loading its model.

    It takes no connection; or, where health checks watch it (`watched`) and so will see its end, something in front of
    it, such as a container's proxy, hangs up or says that nobody is there.
    """
    if error.reason == "UPSTREAM_UNREACHABLE" or not watched:
        return error.reason == "UPSTREAM_UNREACHABLE"
    told = provider_error(error)
    nobody_there = told is not None and error.reason == "PROVIDER_ERROR" and told.http_status in _NOBODY_THERE
    return nobody_there or error.reason == "UPSTREAM_TRUNCATED"


def is_backends_fault(error: SynapseError, fault: Fault) -> bool:
    """Whether the failure counts against the backend; running out of the time that a caller left does not."""
    if fault is Fault.TIMEOUT:
        return error.metadata.get("phase") not in _OWN_TIME
    return fault is Fault.UNAVAILABLE


def in_short(error: SynapseError, fault: Fault) -> str:
    """The failure in a few words, without what a backend wrote: that might quote a prompt or a key."""
    told = provider_error(error)
    if error.reason == "PROVIDER_ERROR" and told is not None:
        return f"{fault}: it answered with status {told.http_status}"
    return f"{fault}: {error.message}"
