"""One edit that changes the answer is vetoed, and the veto says why."""

import pytest

from synapse_cache.decision import VetoReason, analyse, veto

FLIPS = {
    VetoReason.NUMBER: [
        ("What is a 20% tip on $50?", "What is a 15% tip on $50?"),
        ("Can I return it after 30 days?", "Can I return it after ninety days?"),
        ("Who won the 3rd race?", "Who won the 4th race?"),
        ("How many people fit in 120k seats?", "How many people fit in 120 seats?"),
        ("What is -5 squared?", "What is 5 squared?"),
    ],
    VetoReason.UNIT: [
        ("What is 5 km in miles?", "What is 5 kg in miles?"),
        ("Boiling point of water in Celsius?", "Boiling point of water in Fahrenheit?"),
        ("Convert 100 USD to yen", "Convert 100 EUR to yen"),
    ],
    VetoReason.DATE: [
        ("Is the museum open on Monday?", "Is the museum open on Sunday?"),
        ("What was the inflation in 2021?", "What was the inflation in 2022?"),
        ("Can I come at 3pm?", "Can I come at 3am?"),
        ("What happened on May 5?", "What happened on June 5?"),
        ("What is the weather today?", "What is the weather tomorrow?"),
    ],
    VetoReason.VERSION: [
        ("What's new in Python 3.11?", "What's new in Python 3.12?"),
        ("How do I install Java 8?", "How do I install Java 17?"),
    ],
    VetoReason.NEGATION: [
        ("Which items can be returned?", "Which items can't be returned?"),
        ("Is it safe to swim here?", "Is it unsafe to swim here?"),
        ("Hotels with parking", "Hotels without parking"),
        ("Should I never water a cactus?", "Should I water a cactus?"),
        ("How do I archive a project?", "How do I unarchive a project?"),
    ],
    VetoReason.ANTONYM: [
        ("How do I enable the firewall?", "How do I disable the firewall?"),
        ("How do I buy shares?", "How do I sell shares?"),
        ("Why did the price increase?", "Why did the price decrease?"),
    ],
    VetoReason.COMPARATIVE: [
        ("What is the largest lake in Kenya?", "What is the smallest lake in Kenya?"),
        ("Cities with more than 5 million people", "Cities with fewer than 5 million people"),
        ("Cities with over 5000 people", "Cities with under 5000 people"),
        ("What is the largest city in Spain?", "What are the largest cities in Spain?"),
    ],
    VetoReason.FORMAT: [
        ("Summarise Dune as a table", "Summarise Dune in JSON"),
        ("List the planets in YAML", "List the planets in markdown"),
    ],
    VetoReason.LANGUAGE: [
        ("Write a toast in French", "Write a toast in Spanish"),
        ("How do I say cat in Polish?", "How do I say cat in Turkish?"),
    ],
    VetoReason.PROGRAMMING: [
        ("How do I sort a list in C++?", "How do I sort a list in C#?"),
        ("How do I sort a list in C?", "How do I sort a list in C++?"),
        ("Reverse a string in Java", "Reverse a string in JavaScript"),
        ("How do I update it on Linux?", "How do I update it on Windows?"),
    ],
    VetoReason.IDENTIFIER: [
        ("What does read_csv do?", "What does read_table do?"),
        ("Where is order AB1234?", "Where is order AB1235?"),
        ("Open main.py please", "Open test.py please"),
        ("What is it? <<one/two>>", "What is it? <<one/three>>"),
    ],
    VetoReason.QUOTED: [
        ('Translate "good night" to French', 'Translate "good day" to French'),
        ('How many letters has "strawberry"?', 'How many letters has "raspberry"?'),
    ],
    VetoReason.CODE: [
        ("Explain `x = 1`", "Explain `x = 2`"),
        ("Explain ```\nx = [1]\n```", "Explain ```\nX = [1]\n```"),
    ],
    VetoReason.SYMBOL: [
        ("What is 2+2?", "What is 2*2?"),
        ("What does a <= b mean?", "What does a >= b mean?"),
    ],
    VetoReason.ENTITY: [
        ("Who leads the US army?", "Who leads the UK army?"),
        ("What does WHO do?", "What does IT do?"),
    ],
    VetoReason.WORDS: [
        ("What is the capital of France?", "What is the capital of Germany?"),
        ("Is ibuprofen safe for dogs?", "Is ibuprofen safe for cats?"),
        ("Who is the CEO of Intel?", "Who is the founder of Intel?"),
        ("Is tea or coffee better?", "Is tea and coffee better?"),
    ],
    VetoReason.QUESTION: [
        ("Why is the sky blue?", "Is the sky blue?"),
        ("Can I take ibuprofen daily?", "Should I take ibuprofen daily?"),
        ("How do I delete a file?", "Why do I delete a file?"),
        ("List black holes", "Explain black holes"),
        ("When was Darwin born?", "Where was Darwin born?"),
    ],
    VetoReason.TENSE: [
        ("Who is the president of Peru?", "Who was the president of Peru?"),
        ("Is the shop open?", "Will the shop open?"),
        ("Who used to own the bank?", "Who owns the bank?"),
        ("Who wins the cup?", "Who won the cup?"),
    ],
    VetoReason.PERSON: [
        ("What are your opening hours?", "What are my opening hours?"),
        ("Do I owe you money?", "Do you owe me money?"),
        ("How old is he?", "How old is she?"),
    ],
    VetoReason.ROLE: [
        ("Flights from Tokyo to Paris", "Flights from Paris to Tokyo"),
        ("Should I take it before meals?", "Should I take it after meals?"),
        ("Is Rome older than Athens?", "Is Athens older than Rome?"),
        ("Convert euros to pounds", "Convert pounds to euros"),
        ("Books by Woolf", "Books about Woolf"),
    ],
    VetoReason.ORDER: [
        ("Why do dogs chase cats?", "Why do cats chase dogs?"),
        ("Who hired Bob?", "Who did Bob hire?"),
        ("What is chocolate milk?", "What is milk chocolate?"),
        ("The son of the king of Spain", "The king of the son of Spain"),
        ("Crime in Texas and tax in Ohio", "Crime in Ohio and tax in Texas"),
        ("Buy 2 apples and 3 pears", "Buy 3 apples and 2 pears"),
    ],
    VetoReason.PRIVATE: [
        ("What is the balance of ann@example.com?", "What's the balance of ann@example.com?"),
        ("Status of account 123456789012", "What is the status of account 123456789012?"),
    ],
    VetoReason.OTHER_LANGUAGE: [
        ("Wie fahre ich von Berlin nach Bonn?", "Wie fahre ich von Bonn nach Berlin?"),
        ("¿Cuál es la capital de Perú?", "¿Cuál es la capital de Chile?"),
        ("法国的首都是哪里？", "德国的首都是哪里？"),
        ("Quelle est la capitale du Chili?", "What is the capital of Chile?"),
    ],
}


@pytest.mark.parametrize(("reason", "a", "b"), [(reason, a, b) for reason, rows in FLIPS.items() for a, b in rows])
def test_a_flip_is_vetoed_with_its_reason(reason: VetoReason, a: str, b: str) -> None:
    assert veto(analyse(a), analyse(b)) is reason


@pytest.mark.parametrize(("a", "b"), [pair for rows in FLIPS.values() for pair in rows])
def test_the_veto_is_symmetric(a: str, b: str) -> None:
    assert veto(analyse(a), analyse(b)) is veto(analyse(b), analyse(a))


def test_every_reason_but_length_has_a_flip() -> None:
    assert set(FLIPS) == set(VetoReason) - {VetoReason.TOO_LONG}


def test_a_prompt_too_long_to_analyse_only_matches_itself() -> None:
    text = "word " * 1000
    assert veto(analyse(text), analyse(text)) is None
    assert veto(analyse(text), analyse(text + "again")) is VetoReason.TOO_LONG
