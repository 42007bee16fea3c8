"""The key's contract over the whole space of requests: what matters separates, what does not does not."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from synapse.llm.v1.request_pb2 import CallerInfo, GenerationRequest
from synapse_cache.adapters.canonical import LEFT_OUT
from synapse_cache.adapters.questions import QuestionRules, question_of
from synapse_cache.model import Question
from synapse_cache.privacy.privacy import PersonalData, PersonalState
from tests.support.cache_world import RULES, a_request
from tests.support.request_space import changes, conversations, requests, said

OPEN = QuestionRules(2.0, PersonalData.ALLOW, PersonalState.ALLOW)
SLOW = [HealthCheck.too_slow, HealthCheck.data_too_large]
thorough = settings(max_examples=200, deadline=None, suppress_health_check=SLOW)
each = settings(max_examples=25, deadline=None, suppress_health_check=SLOW)


def of_one_part() -> GenerationRequest:
    """A chat with a system prompt whose question is one part, as one protocol writes it."""
    request = GenerationRequest(model="m")
    request.messages.add(role="system", text="Be brief.")
    request.messages.add(role="user").parts.add(text="What is love?")
    return request


def asked(request: GenerationRequest) -> Question:
    return question_of(request, OPEN)


def variants(request: GenerationRequest) -> Iterator[tuple[str, GenerationRequest]]:
    """Every copy of `request` with one thing changed, and what."""
    for index in range(sum(1 for _ in changes(request))):
        other = GenerationRequest()
        other.CopyFrom(request)
        path, change = next(islice(changes(other), index, None))
        change()
        yield path, other


def without_prompt(request: GenerationRequest) -> object:
    """What a matchable request says but for the last user's text."""
    plain = said(request)
    last = plain["messages"][-1]
    if "text" in last:
        last["text"] = ""
    else:
        last["parts"][0]["text"] = ""
    return plain


@each
@example(a_request())
@example(of_one_part())
@given(requests())
def test_a_change_gives_another_key_if_and_only_if_it_says_something_else(request: GenerationRequest) -> None:
    key, meaning = asked(request).key, said(request)
    for path, other in variants(request):
        assert (key == asked(other).key) == (meaning == said(other)), path


@thorough
@given(requests(), requests())
def test_two_requests_share_a_key_if_and_only_if_they_say_the_same(
    one: GenerationRequest, other: GenerationRequest
) -> None:
    assert (asked(one).key == asked(other).key) == (said(one) == said(other))


@each
@example(of_one_part())
@given(conversations())
def test_a_scope_is_shared_if_and_only_if_nothing_but_the_last_text_differs(request: GenerationRequest) -> None:
    one = asked(request)
    for path, other in variants(request):
        two = asked(other)
        if one.prompt is not None and two.prompt is not None:
            assert (one.scope == two.scope) == (without_prompt(request) == without_prompt(other)), path
        else:
            assert not (one.scope and two.scope), path


@thorough
@given(conversations(), st.text(min_size=1, max_size=40))
def test_the_last_text_alone_never_changes_the_scope(request: GenerationRequest, text: str) -> None:
    other = GenerationRequest()
    other.CopyFrom(request)
    other.messages[-1].text = text
    one, two = asked(request), asked(other)
    assert (one.key == two.key) == (request.messages[-1].text == text)
    if one.prompt is not None and two.prompt is not None and one.life == two.life:
        assert one.scope == two.scope


@thorough
@given(requests())
def test_making_a_question_of_a_request_leaves_the_request_alone(request: GenerationRequest) -> None:
    before = request.SerializeToString(deterministic=True)
    asked(request)
    assert request.SerializeToString(deterministic=True) == before


@thorough
@given(requests(), st.data())
def test_nothing_about_the_caller_changes_the_key(request: GenerationRequest, data: st.DataObject) -> None:
    request.caller.SetInParent()
    for _, change in data.draw(st.lists(st.sampled_from(list(changes(request.caller))), max_size=4)):
        change()
    bare = GenerationRequest()
    bare.CopyFrom(request)
    bare.ClearField("caller")
    assert asked(request).key == asked(bare).key


def test_every_fact_about_the_caller_is_left_out_by_name() -> None:
    """A new one is part of the key until somebody decides that it cannot change an answer."""
    assert {field.full_name for field in CallerInfo.DESCRIPTOR.fields} == LEFT_OUT


def test_a_fact_that_nobody_knows_yet_is_part_of_the_key() -> None:
    one, other = a_request(), a_request()
    one.caller.user = other.caller.user = "ann"
    other.caller.MergeFromString(b"\xa2\x06\x03new")  # field 100
    assert question_of(one, RULES).key != question_of(other, RULES).key


def test_a_member_that_nobody_knows_yet_is_part_of_key_and_scope() -> None:
    one, other = a_request(), a_request()
    other.messages[0].MergeFromString(b"\xa2\x06\x03new")
    first, second = question_of(one, RULES), question_of(other, RULES)
    assert first.key != second.key
    assert first.scope != second.scope
