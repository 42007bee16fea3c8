"""An error of a backend is told by its words where the status alone does not say enough."""

from __future__ import annotations

import pytest

from synapse_llm_router.adapters import failures
from synapse_llm_router.faults import Fault, fault_of, in_short, is_backends_fault, is_loading, may_be_repeated
from synapse_runtime.errors import InvalidArgument, SynapseError
from tests.unit.llm_router.scripted import answered

CONTEXT_WINDOW = {
    "openai": b'{"error":{"message":"This model\'s maximum context length is 8192 tokens. However, your messages resulted '
    b'in 9001 tokens.","type":"invalid_request_error","param":"messages","code":"context_length_exceeded"}}',
    "vllm": b'{"error":{"message":"This model\'s maximum context length is 2048 tokens. However, you requested 4000 output '
    b'tokens","type":"BadRequestError","param":null,"code":400}}',
    "vllm-prompt": b'{"object":"error","message":"The decoder prompt (length 3000) is longer than the maximum model length '
    b'of 2048.","type":"BadRequestError","param":null,"code":400}',
    "llama.cpp": b'{"error":{"code":400,"message":"request (9001 tokens) exceeds the available context size (2048 tokens)",'
    b'"type":"exceed_context_size_error","n_prompt_tokens":9001,"n_ctx":2048}}',
    "anthropic": b'{"type":"error","error":{"type":"invalid_request_error","message":"prompt is too long: 210000 tokens > '
    b'200000 maximum"}}',
    "ollama": b'{"error":"input length exceeds the context length"}',
    "tgi": b'{"error":"Input validation error: `inputs` tokens + `max_new_tokens` must be <= 4096. Given: 4000 `inputs` '
    b'tokens and 500 `max_new_tokens`","error_type":"validation"}',
    "tgi-prompt": b'{"error":"Input validation error: `inputs` must have less than 1024 tokens. Given: 2000",'
    b'"error_type":"validation"}',
    "gemini": b'{"error":{"code":400,"message":"The input token count exceeds the maximum number of tokens allowed.",'
    b'"status":"INVALID_ARGUMENT"}}',
}
CONTENT_POLICY = {
    "openai": b'{"error":{"message":"Your request was rejected as a result of our safety system.",'
    b'"type":"invalid_request_error","param":null,"code":"content_policy_violation"}}',
    "azure": b'{"error":{"message":"The response was filtered due to the prompt triggering Azure OpenAI\'s content '
    b'management policy.","code":"content_filter","innererror":{"code":"ResponsibleAIPolicyViolation"}}}',
    "anthropic": b'{"type":"error","error":{"type":"invalid_request_error","message":"Output blocked by content filtering '
    b'policy"}}',
}


def refused(body: bytes, status: int = 400) -> SynapseError:
    return failures.answered("b", status, body, {}, now=0.0)


@pytest.mark.parametrize("name", CONTEXT_WINDOW)
def test_a_prompt_that_is_too_long_is_known_by_every_wording(name: str) -> None:
    assert fault_of(refused(CONTEXT_WINDOW[name])) is Fault.CONTEXT_WINDOW


def test_tgi_says_it_with_422_and_others_inside_a_stream() -> None:
    assert fault_of(refused(CONTEXT_WINDOW["tgi"], 422)) is Fault.CONTEXT_WINDOW
    assert fault_of(failures.inside_stream("b", CONTEXT_WINDOW["vllm"], {})) is Fault.CONTEXT_WINDOW


@pytest.mark.parametrize("name", CONTENT_POLICY)
def test_a_refusal_by_policy_is_known_by_every_wording(name: str) -> None:
    assert fault_of(refused(CONTENT_POLICY[name])) is Fault.CONTENT_POLICY


@pytest.mark.parametrize(
    ("status", "fault"),
    [
        (400, Fault.CALLER),
        (401, Fault.CREDENTIALS),
        (403, Fault.CREDENTIALS),
        (404, Fault.MISSING),
        (408, Fault.TIMEOUT),
        (409, Fault.CALLER),
        (413, Fault.CALLER),
        (422, Fault.CALLER),
        (429, Fault.RATE_LIMITED),
        (500, Fault.UNAVAILABLE),
        (503, Fault.UNAVAILABLE),
        (504, Fault.TIMEOUT),
        (529, Fault.UNAVAILABLE),
    ],
)
def test_a_status_without_such_words_tells_the_fault(status: int, fault: Fault) -> None:
    assert fault_of(answered(status)) is fault


@pytest.mark.parametrize(
    ("error", "fault", "counts", "again"),
    [
        (failures.unreachable("b", "x"), Fault.UNAVAILABLE, True, True),
        (failures.truncated("b"), Fault.UNAVAILABLE, True, True),
        (failures.invalid("b", "x"), Fault.UNAVAILABLE, True, False),
        (failures.too_large("b", 1), Fault.CALLER, False, False),
        (failures.busy("b"), Fault.RATE_LIMITED, False, False),
        (failures.late("b", "first_byte"), Fault.TIMEOUT, True, False),
        (failures.late("b", "caller"), Fault.TIMEOUT, False, False),
        (failures.late("b", "total"), Fault.TIMEOUT, False, False),
        (InvalidArgument("x", reason="UNSUPPORTED_CONTENT"), Fault.UNSUPPORTED, False, False),
        (InvalidArgument("x"), Fault.CALLER, False, False),
    ],
)
def test_failures_of_our_own_making(error: SynapseError, fault: Fault, *, counts: bool, again: bool) -> None:
    assert fault_of(error) is fault
    assert is_backends_fault(error, fault) is counts
    assert may_be_repeated(error, fault) is again


def test_a_spent_quota_is_not_asked_again() -> None:
    spent = answered(429, "You exceeded your current quota.", code="insufficient_quota")
    assert fault_of(spent) is Fault.RATE_LIMITED
    assert not may_be_repeated(spent, Fault.RATE_LIMITED)
    assert may_be_repeated(answered(429), Fault.RATE_LIMITED)
    assert fault_of(answered(400, "Your credit balance is too low to access the API.")) is Fault.CREDENTIALS


def test_a_backend_that_says_not_to_retry_is_believed() -> None:
    assert not may_be_repeated(answered(503, x_should_retry="false"), Fault.UNAVAILABLE)
    assert may_be_repeated(answered(503, x_should_retry="true"), Fault.UNAVAILABLE)


def test_only_a_watched_backend_may_load_behind_a_503() -> None:
    assert is_loading(failures.unreachable("b", "x"), watched=False)
    assert is_loading(answered(503, "Loading model"), watched=True)
    assert not is_loading(answered(503, "Overloaded"), watched=False)
    assert not is_loading(answered(500), watched=True)
    assert not is_loading(failures.invalid("b", "x"), watched=True)


def test_what_a_backend_wrote_is_not_in_the_short_form() -> None:
    assert in_short(answered(401, "Bad key sk-123"), Fault.CREDENTIALS) == "credentials: it answered with status 401"
    assert "ConnectionRefused" in in_short(failures.unreachable("b", "ConnectionRefusedError"), Fault.UNAVAILABLE)
