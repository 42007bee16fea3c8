"""A wording that asks the same is let through."""

import itertools

import pytest

from synapse_cache.decision import analyse, veto

SAME = [
    [
        "What is the capital of France?",
        "Can you tell me the capital of France?",
        "what's the capital city of France?",
        "Please tell me what the capital of France is.",
        "France's capital is what?",
        "Which city is the capital of France?",
        "hey, whats the capital of france",
        "Do you know the capital of France? Thanks!",
        "I was wondering what the capital of France is",
        "capital of France",
    ],
    [
        "How do I reverse a string in Python?",
        "In Python, how can I reverse a string?",
        "How to reverse a string using Python",
    ],
    [
        "Explain recursion",
        "What is recursion?",
        "Can you explain what recursion is?",
        "Tell me about recursion, please",
    ],
    ["Why is the sky blue?", "Could you explain why the sky is blue?", "so why is the sky blue"],
    ["How tall is Mount Everest?", "What is the height of Mount Everest?", "Mount Everest's height?"],
    ["How many moons does Saturn have?", "What is the number of moons of Saturn?", "Saturn's number of moons"],
    ["Convert 15,000 dollars to euros", "Please convert 15000 USD to EUR", "convert $15k into euros"],
    ["Flights from Tokyo to Paris", "Show me flights to Paris from Tokyo", "I need a flight from Tokyo to Paris"],
    ["List the trains from Rome to Milan on Monday", "What Monday trains are there from Rome to Milan?"],
    [
        "What was the population of Kenya in 2019?",
        "Kenya's population in 2019",
        "In 2019, what was the population of Kenya?",
    ],
    ["Which city is the largest in Peru?", "What is Peru's largest city?", "Name the biggest city in Peru"],
    ["What colour is the sun?", "What color is the sun?"],
    ["Which items can't be returned?", "Which items cannot be returned?", "What items can not be returned"],
    ["How do I cancel my order?", "How can I cancel an order?", "I don't know how to cancel my order"],
    ["Summarise Dune in JSON", "Can you summarize Dune in JSON format?", "Please summarise Dune as JSON"],
    ["Can I come at 3pm?", "can I come at 3 p.m.", "Can I come at 15:00?"],
    ["Define entropy", "What is the definition of entropy?", "What does entropy mean?"],
    ["How do I turn off 2FA?", "How can I turn off two-factor authentication?"],
    ["Cities with more than 120,000 people", "List cities with over 120k people"],
    ["WHAT IS THE BOILING POINT OF WATER", "what is the boiling point of water?"],
    ["Wie heißt die Hauptstadt von Peru?", "wie heißt die hauptstadt von peru"],
]
TOPICS = ("capital city", "official currency", "longest river", "voting system")
PLACES = ("Japan", "Norway", "Jordan")
FORMS = (
    "What is the {t} of {p}?",
    "Tell me the {t} of {p}",
    "Could you please tell me about the {t} of {p}?",
    "I want to know the {p} {t}",
    "Please explain: the {t} in {p}",
    "Give me {p}'s {t}, please",
    "Can you describe the {t} of {p} for me?",
    "I need to know what the {t} is in {p}",
)
MARKS = ("", " .!?,;:..!", " ;:?.,")


@pytest.mark.parametrize(("a", "b"), [pair for group in SAME for pair in itertools.combinations(group, 2)])
def test_a_rewording_passes(a: str, b: str) -> None:
    assert veto(analyse(a), analyse(b)) is None
    assert veto(analyse(b), analyse(a)) is None


def _forms(topic: str, place: str) -> list[str]:
    tag = f"<<{topic}/{place}>>".replace(" ", "_")
    return [form.format(t=topic, p=place) + mark + " " + tag for form in FORMS for mark in MARKS]


@pytest.mark.parametrize("topic", TOPICS)
def test_every_form_of_one_question_passes(topic: str) -> None:
    for a, b in itertools.product(_forms(topic, "Japan"), repeat=2):
        assert veto(analyse(a), analyse(b)) is None, (a, b)


def test_no_form_of_another_question_passes_even_without_its_tag() -> None:
    questions = [(topic, place) for topic in TOPICS for place in PLACES]
    for one, other in itertools.combinations(questions, 2):
        for a, b in itertools.product(FORMS, repeat=2):
            first, second = a.format(t=one[0], p=one[1]), b.format(t=other[0], p=other[1])
            assert veto(analyse(first), analyse(second)) is not None, (first, second)
