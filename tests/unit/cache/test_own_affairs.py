"""Prompts about the caller's own affairs: which they are, and whom their answers serve."""

from __future__ import annotations

import time

import pytest

from synapse.llm.v1.request_pb2 import GenerationRequest
from synapse_cache.adapters.questions import QuestionRules, question_of
from synapse_cache.model import Status
from synapse_cache.privacy.own_affairs import about_the_caller
from synapse_cache.privacy.privacy import PersonalData, PersonalState
from tests.support.cache_world import RULES, a_request, cache_world

OWN = [
    "What is my balance?",
    "what's my account balance",
    "Hi, can you tell me what my balance is? What is my current balance?",
    "show me my recent transactions",
    "Where is my package?",
    "where's my order",
    "What is the status of my order?",
    "has my order shipped yet",
    "When will my parcel arrive?",
    "What is on my calendar tomorrow?",
    "read my messages",
    "how much did I spend this week",
    "How much do I owe?",
    "do i have any meetings today",
    "what's my credit score",
    "am I free on friday",
    "Who am I?",
    "what is my pin",
    "Did my payment go through?",
    "how many vacation days do i have left on my account this year",
    "Wie hoch ist mein Kontostand?",
    "Quel est le solde ? Je voudrais voir mon solde",
    "¿Dónde está mi pedido?",
    "Qual é o meu saldo?",
    "Dov'è il mio pacco?",
    "Waar is mijn pakket?",
    "Gdzie jest moja paczka?",
    "Где мой заказ?",
    "我的余额是多少",
    "私の注文はどこですか",
    "내 잔액 알려줘",
    "أين طلبي",
]
EVERYBODYS = [
    "How do I check my balance?",
    "Why was my card declined?",
    "How can I change my PIN?",
    "What happens if my card is stolen?",
    "Can I use my card abroad?",
    "I lost my card, what should I do?",
    "How long does it take for my card to arrive?",
    "What fees do I pay for a transfer?",
    "Why is my transfer still pending?",
    "How do I track my order?",
    "What is my purpose in life?",
    "How many cards can I have?",
    "How much do I need to earn to live in Berlin?",
    "What should I cook tonight?",
    "Is my code correct?",
    "What are my payment options?",
    "What is the capital of France?",
    "My cat is sick, where can I find a vet?",
    "Do I have to pay taxes on gifts?",
]


@pytest.mark.parametrize("text", OWN)
def test_a_question_for_the_callers_own_records_is_seen(text: str) -> None:
    assert about_the_caller(text)


@pytest.mark.parametrize("text", EVERYBODYS)
def test_a_question_with_one_answer_for_everybody_is_none(text: str) -> None:
    assert not about_the_caller(text)


def of(user: str, text: str = "What is my balance?") -> GenerationRequest:
    request = a_request(text)
    if user:
        request.caller.user = user
    return request


async def test_two_users_never_share_an_answer_about_their_own_affairs() -> None:
    async with cache_world() as world:
        for user, expected in (("ann", Status.MISS), ("bob", Status.MISS), ("ann", Status.HIT)):
            assert (await world.ask(of(user))).outcome.status is expected, user


async def test_an_answer_about_own_affairs_is_exact_only() -> None:
    async with cache_world() as world:
        first = await world.ask(of("ann"))
        other = await world.ask(of("ann", "what's my balance"))
    assert (first.outcome.reason, other.outcome.reason) == ("personal_state", "personal_state")


async def test_two_users_never_share_an_answer_to_a_prompt_with_identifiers() -> None:
    async with cache_world() as world:
        await world.ask(of("ann", "Where does ann@example.com live?"))
        assert (await world.ask(of("bob", "Where does ann@example.com live?"))).outcome.status is Status.MISS


async def test_two_users_share_what_is_everybodys() -> None:
    async with cache_world() as world:
        await world.ask(of("ann", "How do I check my balance?"))
        assert (await world.ask(of("bob", "How do I check my balance?"))).outcome.status is Status.HIT


async def test_a_private_turn_keeps_the_whole_chat_with_its_user() -> None:
    def chat(user: str) -> GenerationRequest:
        request = of(user)
        request.messages.add(role="assistant", text="12 dollars.")
        request.messages.add(role="user", text="Is that much?")
        return request

    ann, bob = (question_of(chat(user), RULES) for user in ("ann", "bob"))
    assert ann.key != bob.key
    assert ann.scope != bob.scope


@pytest.mark.parametrize("field", ["user", "safety_identifier", "metadata_json"])
def test_every_way_to_name_the_user_counts(field: str) -> None:
    keys = set()
    for user in ("ann", "bob"):
        request = a_request("What is my balance?")
        setattr(request.caller, field, f'{{"user_id":"{user}","team":"{user}"}}' if field == "metadata_json" else user)
        keys.add(question_of(request, RULES).key)
    assert len(keys) == 2


def test_labels_that_name_no_user_do_not_count() -> None:
    request = a_request("What is my balance?")
    request.caller.metadata_json = '{"team":"x","trace":"1"}'
    assert question_of(request, RULES).key == question_of(a_request("What is my balance?"), RULES).key


@pytest.mark.parametrize(
    ("state", "shared_and_by_meaning"),
    [
        (PersonalState.ALLOW, (True, True)),
        (PersonalState.EXACT_ONLY, (True, False)),
        (PersonalState.BY_USER, (False, False)),
    ],
)
def test_the_operator_says_what_happens(state: PersonalState, shared_and_by_meaning: tuple[bool, bool]) -> None:
    rules = QuestionRules(1.0, PersonalData.EXACT_ONLY, state)
    ann, bob = (question_of(of(user), rules) for user in ("ann", "bob"))
    assert (ann.key == bob.key, ann.prompt is not None) == shared_and_by_meaning


@pytest.mark.parametrize("where", ["last", "history", "system", "tool", "part"])
def test_where_identifiers_shall_not_be_stored_they_are_not_wherever_they_stand(where: str) -> None:
    request = GenerationRequest(model="m")
    told = {where: "ann@example.com"}
    request.messages.add(role="system", text=told.get("system", "Be brief."))
    request.messages.add(role="user", text=told.get("history", "Hello."))
    call = request.messages.add(role="assistant").tool_calls.add(name="find")
    call.arguments = f'{{"who":"{told.get("tool", "x")}"}}'
    last = request.messages.add(role="user")
    last.parts.add(text=told.get("part", "Who"))
    last.parts.add(text=told.get("last", "is it?"))
    for policy, reason in ((PersonalData.NO_STORE, "personal_data"), (PersonalData.EXACT_ONLY, "")):
        assert question_of(request, QuestionRules(1.0, policy)).uncacheable_reason == reason


def work(text: str) -> float:
    """Seconds of this process's own time to read `text`, the best of five tries."""

    def once() -> float:
        begun = time.process_time_ns()
        about_the_caller(text)
        return (time.process_time_ns() - begun) / 1e9

    return min(once() for _ in range(5))


@pytest.mark.parametrize(
    "piece",
    ["a ", "my ", "what is the ", "how many ", "please ", "is my a ", "do i have ", ", ", "show me ", "i", "我的"],
)
def test_four_times_the_text_is_no_more_than_four_times_the_work(piece: str) -> None:
    small, large = work(piece * (2_000 // len(piece))), work(piece * (8_000 // len(piece)))
    assert large <= 8 * small + 0.002, (small, large)
