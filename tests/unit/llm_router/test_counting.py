"""An estimate of tokens counts what a model would read."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from synapse.llm.v1.request_pb2 import GenerationRequest
from synapse_llm_router.counting import estimated_tokens


def question(text: str) -> GenerationRequest:
    request = GenerationRequest()
    request.messages.add(role="user", text=text)
    return request


def test_four_bytes_are_a_token_and_a_message_costs_four() -> None:
    assert estimated_tokens(question("12345678")) == 4 + 2


@given(text=st.text(max_size=200), more=st.text(min_size=1, max_size=50))
def test_more_text_never_counts_less(text: str, more: str) -> None:
    assert estimated_tokens(question(text)) <= estimated_tokens(question(text + more))


def test_tools_results_and_calls_count() -> None:
    request = question("")
    bare = estimated_tokens(request)
    request.tools.add(name="weather", description="of a town", parameters_json='{"type":"object"}')
    with_tool = estimated_tokens(request)
    message = request.messages.add(role="assistant")
    message.tool_calls.add(name="weather", arguments='{"town":"Oslo"}')
    message.parts.add().tool_result.text = "It rains."
    assert bare < with_tool < estimated_tokens(request) - 4


def test_a_picture_counts_the_same_whatever_its_bytes() -> None:
    small, large = question(""), question("")
    small.messages[0].parts.add().image.base64_data = "A"
    large.messages[0].parts.add().image.base64_data = "A" * 100_000
    assert estimated_tokens(small) == estimated_tokens(large) == 804


def test_tokens_that_are_given_are_counted_exactly() -> None:
    request = GenerationRequest()
    request.prompt.token_ids.add(ids=range(17))
    assert estimated_tokens(request) == 17
