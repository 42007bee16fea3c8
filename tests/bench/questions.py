"""What is asked: questions whose right answer is known, so that every wrong answer is seen.

The key of a prompt is what its answer depends on. The upstream reads it out of the prompt and begins its answer with
`[key]`; the driver knows the key of what it asked. Neighbours of one question differ in one name, number or direction.
"""

from __future__ import annotations

import itertools
import random
import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass

_CITIES = ("Paris", "Tokyo", "Nairobi", "Oslo", "Lima", "Cairo", "Warsaw", "Hanoi", "Lisbon", "Athens")
_TOPICS = ("best museum", "main airport", "oldest bridge", "largest park", "local dish")
_FORMS = (
    "What is the {topic} in {city}?",
    "What's the {topic} in {city}?",
    "Which is the {topic} in {city}?",
    "Tell me the {topic} in {city}.",
    "Can you tell me the {topic} in {city}?",
    "I would like to know the {topic} in {city}.",
    "Please tell me what the {topic} in {city} is.",
    "Could you tell me what the {topic} in {city} is?",
)
_OPENERS = ("", "Hi, ", "Hello, ", "Hello there, ", "Hey, ", "Good morning, ", "Good evening, ", "Hi there, ")
_CLOSERS = ("", " Thanks!", " Thank you!", " Thanks in advance.", " Thank you very much!", " Many thanks!")
_MARKS = ("", " ", "  ", "\n")
_WORDS = (
    "anchor apple basket beacon bicycle blanket bottle bridge bucket button candle canyon carpet castle cement cherry "
    "circus cobalt copper cotton cradle crayon desert diesel donkey dragon engine fabric falcon feather ferry flute "
    "forest fossil galaxy garlic geyser ginger glacier gravel guitar hammer harbor helmet hornet island jacket jungle "
    "kettle kitten ladder lagoon lantern lemon lizard magnet mango marble meadow mirror monkey muffin needle nickel "
    "nutmeg olive onion orchid oxygen paddle parrot pebble pencil pepper pillow planet pocket prairie pulley puzzle "
    "quartz rabbit radish ribbon rocket saddle salmon scarf shovel silver socket spider sponge squash statue sugar "
    "summit tablet teapot temple thunder ticket timber tomato trumpet tulip tunnel turnip turtle valley velvet violin "
    "volcano waffle walnut walrus whale willow window winter wizard yogurt zebra"
)
_NOUNS = _WORDS.split()
_CITY = re.compile("|".join(_CITIES))
_TOPIC = re.compile("|".join(_TOPICS))


@dataclass(frozen=True, slots=True)
class Question:
    """A prompt and the key of its right answer."""

    text: str
    key: str


def key_of(text: str) -> str:
    """The key of any prompt: topic and city where it has them, else a checksum of its words."""
    topic, city = _TOPIC.search(text), _CITY.search(text)
    if topic and city:
        return f"{topic[0]}/{city[0]}".replace(" ", "_")
    return f"{zlib.crc32(text.encode()):08x}"


def known() -> list[Question]:
    """Fifty questions in their first wording."""
    return [_question(_FORMS[0], topic, city) for city in _CITIES for topic in _TOPICS]


def reworded(seed: int = 1) -> Iterator[Question]:
    """The fifty questions in ever new wordings, in random order, tens of thousands of them."""
    wordings = list(itertools.product(_FORMS[1:], _OPENERS, _CLOSERS, _MARKS, _TOPICS, _CITIES))
    random.Random(seed).shuffle(wordings)
    for form, opener, closer, mark, topic, city in wordings:
        first = form if not opener or form.startswith("I ") else form[0].lower() + form[1:]
        asked = _question(first, topic, city)
        yield Question(f"{opener}{asked.text}{closer}{mark}", asked.key)


def unheard(seed: int = 2) -> Iterator[Question]:
    """Questions that nobody asked before, endlessly, of one shape and unlike words."""
    rng = random.Random(seed)
    while True:
        first, second, third, fourth = rng.sample(_NOUNS, 4)
        number = rng.randrange(10, 10_000)
        text = f"How could {number} {first}s and a {second} be of use to a {third} with a {fourth}?"
        yield Question(text, key_of(text))


def _question(form: str, topic: str, city: str) -> Question:
    text = form.format(topic=topic, city=city)
    return Question(text, key_of(text))
