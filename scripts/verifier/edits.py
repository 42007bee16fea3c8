"""Single edits of any prompt that change its answer: a number, a "not", an opposite, a role, a restriction."""

from __future__ import annotations

import random
import re
from collections.abc import Callable
from functools import cache

from scripts.verifier.frames import ADJUNCTS, Form, Sampler, slots
from scripts.verifier.values import other, vocabulary

from synapse_cache.decision.opposites import opposites

_MODIFIERS = (
    "only", "not", "never", "almost", "always", "last year's", "second", "second-hand", "former", "future", "fake",
    "free", "cheap", "small", "large", "new", "old", "red", "electric", "used", "international", "temporary", "first",
    "last", "half of the", "most", "every other", "no", "non-", "online", "junior", "senior", "foreign", "local",
    "vegan", "pending", "weekly", "monthly", "daily", "other",
)  # fmt: skip
_NOT = (
    ("can", "can't"), ("can", "cannot"), ("should", "should not"), ("should", "shouldn't"), ("do", "do not"),
    ("does", "does not"), ("is", "is not"), ("are", "aren't"), ("will", "won't"), ("would", "would not"),
    ("did", "didn't"), ("have", "have not"), ("could", "couldn't"), ("may", "may not"), ("was", "was not"),
    ("has", "hasn't"), ("to", "not to"), ("must", "must not"), ("am", "am not"), ("were", "weren't"),
)  # fmt: skip
_FUNCTION = frozenset(
    re.findall(
        r"\S+",
        """
        a an the of in on at to for from by with and or is are was were be been do does did what which
        who how why when where can could should would will may i me my you your it its that this there if
        not no than as into about have has had please tell show list give we us our they them their he
        she his her so just any all some am
        """,
    )
)
# Words that a question can do without.
_SPARE = frozenset(
    re.findall(
        r"\S+",
        """please really just actually currently exactly also possible able want need like know get help tell find way
    different total being going trying kind type sort thank thanks hello hi hey ok then now already still maybe quick
    question good give assistant there here let see sure very much many lot right look make take go use name located
    offered available called existing listed current wondering""",
    )
)
# Outside of frames another tense or owner often asks for the same, and these words have uses without an opposite.
_LOOSE = frozenset(
    re.findall(r"\S+", "is was are were do did does my your how what like can top show long back up this")
)
# Words with an opposite only in company of one of these.
_ONLY_WITH = {"to": ("from",), "on": ("turn", "switch", "put"), "off": ("turn", "switch", "put")}
# After these stands a noun or its adjective: two such words trade places without breaking the sentence.
_BEFORE_NOUNS = frozenset(
    re.findall(r"\S+", "a an the of in from for on with my at by about into without before after under")
)
_JOINING = frozenset(("and", "or", "&"))
_TOKEN = re.compile(r"[A-Za-z][A-Za-z'-]*|\d[\d,.:]*\d|\d|\s+|.", re.DOTALL)
_FULL_NAME = re.compile(r"\b([A-Z][a-z]+) ([A-Z][a-z]+)\b(?! (?:Jr|Sr|I))")
_NUMBER = re.compile(r"\d[\d,.]*\d|\d")
Edit = Callable[[str, random.Random], str | None]


@cache
def _named() -> dict[str, tuple[str, int]]:
    """Spelling in lower case to its type and place in the vocabulary."""
    skipped = {
        "opp",
        "syn",
        "comp",
        "verb3",
        "verbt",
        "wrelation",
        "adj",
        "codetask",
        "habit",
        "units",
        "act",
        "format",
    }
    return {
        spelling.lower(): (kind, place)
        for kind, values in vocabulary().items()
        if kind not in skipped
        for place, value in enumerate(values)
        for spelling in value.spellings
        if len(spelling) > 2
    }


def _words(text: str) -> list[str]:
    return _TOKEN.findall(text)


def _content(words: list[str]) -> list[int]:
    return [place for place, word in enumerate(words) if word[0].isalpha() and word.lower() not in _FUNCTION]


def another_number(text: str, rng: random.Random) -> str | None:
    """Another number in place of one."""
    found = list(_NUMBER.finditer(text))
    if not found:
        return None
    match = rng.choice(found)
    digits = list(match[0])
    places = [place for place, digit in enumerate(digits) if digit.isdigit()]
    place = rng.choice(places)
    if len(places) > 1 and rng.random() < 0.3 and digits[places[0]] != digits[places[1]]:
        digits[places[0]], digits[places[1]] = digits[places[1]], digits[places[0]]
    else:
        digits[place] = rng.choice([digit for digit in "123456789" if digit != digits[place]])
    return text[: match.start()] + "".join(digits) + text[match.end() :]


def negated(text: str, rng: random.Random) -> str | None:
    """A "not" put in or taken out."""
    # In front, "not" only changes the tone: "aren't there any", "couldn't you".
    ways = [(one, two) for pair in _NOT for one, two in (pair, pair[::-1]) if re.search(rf"(?i)\S +{one}\b(?!')", text)]
    ways = [way for way in ways if not re.match(rf"(?i){way[0]}\b", text)]
    if not ways:
        return None
    source, target = rng.choice(ways)
    return re.sub(rf"(?i)\b{source}\b(?!')", target, text, count=1)


def opposed(text: str, rng: random.Random) -> str | None:
    """An opposite for one word."""
    words = _words(text)
    said = {word.lower() for word in words}
    loose = _LOOSE | {word for word, company in _ONLY_WITH.items() if not said & {*company}}
    places = [place for place, word in enumerate(words) if word.lower() in opposites() and word.lower() not in loose]
    if not places:
        return None
    place = rng.choice(places)
    words[place] = rng.choice(opposites()[words[place].lower()])
    return "".join(words)


def renamed(text: str, rng: random.Random) -> str | None:
    """Another thing of the same type for a known one."""
    words = _words(text)
    places = [place for place, word in enumerate(words) if word.lower() in _named()]
    if not places:
        return None
    place = rng.choice(places)
    kind, index = _named()[words[place].lower()]
    words[place] = other(kind, vocabulary()[kind][index], rng).say(rng)
    return "".join(words)


def traded(text: str, rng: random.Random) -> str | None:
    """Two content words that trade places."""
    words = _words(text)
    places = _content(words)
    alike = [place for place in places if place > 1 and words[place - 2].lower() in _BEFORE_NOUNS]
    places = alike if len(alike) > 1 or rng.random() < 0.8 else places
    if len(places) < 2:
        return None
    one, two = rng.sample(places, 2)
    if words[one].lower() == words[two].lower() or (
        abs(places.index(one) - places.index(two)) == 1 and rng.random() < 0.5
    ):
        return None
    between = [word.lower() for word in words[min(one, two) + 1 : max(one, two)] if word.strip()]
    if set(between) & _JOINING and set(between) <= _JOINING | {"a", "an", "the", ","}:
        return None
    words[one], words[two] = words[two], words[one]
    return "".join(words)


def dropped(text: str, rng: random.Random) -> str | None:
    """A content word left out."""
    words = _words(text)
    places = [place for place in _content(words) if words[place].lower() not in _SPARE]
    if len(places) < 3:
        return None
    del words[rng.choice(places)]
    return " ".join("".join(words).split())


def modified(text: str, rng: random.Random) -> str | None:
    """A restricting word before a content word."""
    words = _words(text)
    places = _content(words)
    if not places:
        return None
    place = rng.choice(places)
    words.insert(place, rng.choice(_MODIFIERS) + " ")
    return "".join(words)


def restricted(text: str, rng: random.Random) -> str | None:
    """A place, time, person or condition behind."""
    sampler = Sampler(rng)
    adjunct = rng.choice(ADJUNCTS)
    return sampler.attach(
        text.rstrip("?. "), adjunct, sampler.values(slots(Form(adjunct, "", symmetric=False)), "city")
    )


def replaced(text: str, rng: random.Random) -> str | None:
    """An unrelated content word for one."""
    words = _words(text)
    places = _content(words)
    if not places:
        return None
    place = rng.choice(places)
    kind = rng.choice(
        ("food", "animal", "product", "profession", "place", "sport", "thing", "topic", "device", "subject")
    )
    words[place] = rng.choice(vocabulary()[kind]).say(rng)
    return "".join(words)


def namesake(text: str, rng: random.Random) -> str | None:
    """Somebody else of nearly the same name, by an initial, a number or a "Jr."."""
    found = list(_FULL_NAME.finditer(text))
    if not found:
        return None
    match = rng.choice(found)
    initial = rng.choice("ABCDEFGHJKLMNPRSTVW")
    ways = (f"{match[1]} {initial}. {match[2]}", f"{match[0]} Jr.", f"{match[0]} Sr.", f"{match[0]} II")
    return text[: match.start()] + rng.choice(ways) + text[match.end() :]


EDITS: tuple[tuple[Edit, float], ...] = (
    (another_number, 4), (negated, 2), (opposed, 3), (renamed, 3), (traded, 1.5), (dropped, 0.5), (modified, 1),
    (restricted, 1), (replaced, 0.7), (namesake, 1),
)  # fmt: skip


def edit(text: str, rng: random.Random) -> str | None:
    """The text with one edit that changes its answer; None when none of three tries applies."""
    for _ in range(3):
        (change, _weight), *_ = rng.choices(EDITS, [weight for _, weight in EDITS])
        found = change(text, rng)
        if found and found.lower().split() != text.lower().split():
            return found
    return None
