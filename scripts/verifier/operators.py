"""Rewordings of any prompt that keep its answer: wrappers, contractions, synonyms, case, punctuation, slips."""

from __future__ import annotations

import random
import re

_OPENINGS = (
    "Hi, ", "Hello, ", "Hey! ", "Hey, ", "Quick question: ", "Please: ", "Good morning, ", "Excuse me, ", "So, ",
    "OK, ",
    "Hi there! ", "Just wondering, ", "I have a question. ", "One more thing: ", "Question: ", "I was wondering: ",
    "Sorry to bother you, ", "Hello! ", "Dear assistant, ", "um, ", "hey there, ", "Can you help? ", "Need help: ",
)  # fmt: skip
_CLOSINGS = (
    " Thanks!", " Thank you.", " Thanks in advance", " please", ", please", " thx", " Cheers", " Thank you so much!",
    " Any help is appreciated.", " Thanks a lot", " pls", ", thanks", " Many thanks.", " Appreciate it!",
)  # fmt: skip
# What people write around a question in a forum; it does not change the answer.
_CONTEXTS = (
    "I've been wondering about this for a while. ", "I searched but found nothing. ", "This may be a stupid question. ",
    "My friend and I had an argument about this. ", "I can't find it in the documentation. ", "Long time reader here. ",
    "I couldn't find an answer anywhere. ", "Simple question: ", "I know this has been asked before. ",
)  # fmt: skip
_TAILS = (
    " Any ideas?", " Does anybody know?", " Any advice?", " I have no idea.", " Please explain.", " I'm confused.",
    " Anyone?", " I can't figure it out.", " Please help me out.", " Just curious.",
)  # fmt: skip
_ARTICLE = re.compile(r"(?i)(?<=\w )(?:the|an?) (?=\w)")
_FRONTED = re.compile(
    r"^((?:what|how|who|where|which|why|can|is|are|do|does|should) [^.?]*)"
    r" ((during|before|after|without) (?:the |a |an |my )?[\w'-]+"
    r"|(in) (?-i:[A-Z])\w+|(on) \w+day|(in) (?:18|19|20)\d\d)\??$",
    re.IGNORECASE,
)
_HELD = re.compile(r".* (?:is|are|than|look|people|and|or)$")
_PAIRED = re.compile(r"\b(?!between|of)([a-z]+ )([A-Z]\w+) (and|or) ([A-Z]\w+)\b(?! (?:[A-Z]|in |on |at |to ))(?!')")
_ASKING = ("can you tell me ", "could you tell me ", "do you know ", "i want to know ", "tell me ", "I'd like to know ",
           "please tell me ", "would you mind telling me ")  # fmt: skip
_CONTRACTED = (
    ("what is", "what's"), ("how is", "how's"), ("who is", "who's"), ("where is", "where's"), ("that is", "that's"),
    ("do not", "don't"), ("does not", "doesn't"), ("did not", "didn't"), ("is not", "isn't"), ("are not", "aren't"),
    ("was not", "wasn't"), ("were not", "weren't"), ("can not", "can't"), ("cannot", "can't"), ("could not",
    "couldn't"),
    ("should not", "shouldn't"), ("would not", "wouldn't"), ("will not", "won't"), ("have not", "haven't"),
    ("has not", "hasn't"), ("i am", "i'm"), ("i will", "i'll"), ("it is", "it's"),
    ("you are", "you're"), ("they are", "they're"), ("i would", "i'd"), ("there is", "there's"), ("let us", "let's"),
)  # fmt: skip
# Words that may stand for each other in nearly every question.
_SAME = """
buy purchase|begin start|big large|fix repair|quickly fast|help assist|show display|choose pick
delete remove|often frequently|maybe perhaps|error mistake|movie film|kids children|doctor physician|car automobile
phone telephone|photo picture|purchase buy|require need|allowed permitted|difficult hard|finish complete
near close to|price cost|job occupation|ill sick|speak talk|mobile cell phone|email e-mail
wrong incorrect|right correct|change modify|make create|find locate|use utilize|enough sufficient|about regarding
usually normally|shop store|tv television|ok okay|max maximum|min minimum|info information|app application
amount sum|required necessary|bike bicycle|plane airplane|fridge refrigerator|holiday vacation|apartment flat
lawyer attorney|trip journey|gift present|rubbish trash|center centre|color colour|favorite favourite
organize organise|analyze analyse|program programme|cancel call off|immediately right away|currently at the moment
need require|world globe|happen occur|answer reply|permit allow|forbidden prohibited|method way
main primary|entire whole|wealthy rich|couch sofa|ATM cash machine|taxi cab
""".replace("\n", "|")
_SYNONYMS: dict[str, tuple[str, ...]] = {}
for _pair in filter(None, _SAME.split("|")):
    _first, _, _second = _pair.partition(" ")
    _SYNONYMS[_first] = (*_SYNONYMS.get(_first, ()), _second)
_WORD = re.compile(r"[A-Za-z']+")
_QUESTION = re.compile(r"(?i)(what|how|who|where|when|why|which) ")
_IS_CLAUSE = re.compile(r"(?i)^(what|who|where|when) (is|are|was|were) (.+)$")


def wrap(text: str, rng: random.Random) -> str:
    """Politeness before or after."""
    if rng.random() < 0.7:
        text = rng.choice(_OPENINGS) + text
    return text + rng.choice(_CLOSINGS) if rng.random() < 0.5 else text


def ask_indirectly(text: str, rng: random.Random) -> str:
    """A "what is X" question as "can you tell me what X is"."""
    if match := _IS_CLAUSE.match(text.rstrip("?. ")):
        return f"{rng.choice(_ASKING)}{match[1].lower()} {match[3]} {match[2]}"
    if _QUESTION.match(text) and rng.random() < 0.3:
        return rng.choice(_ASKING) + text
    return text


def contract(text: str, rng: random.Random) -> str:
    """Contract or spell out some verb forms."""
    long_first = rng.random() < 0.5
    for spelled, short in _CONTRACTED:
        source, target = (spelled, short) if long_first else (short, spelled)
        text = re.sub(rf"\b{source}\b", target, text, flags=re.IGNORECASE)
    return text


def reword(text: str, rng: random.Random) -> str:
    """Put synonyms in for some words."""

    def one(match: re.Match[str]) -> str:
        choices = _SYNONYMS.get(match[0].lower())
        return rng.choice(choices) if choices and rng.random() < 0.7 else match[0]

    return _WORD.sub(one, text)


def recase(text: str, rng: random.Random) -> str:
    """Another case and end: lower, sentence, with or without a question mark."""
    way = rng.random()
    if way < 0.35:
        text = text.lower()
    elif way < 0.75:
        text = text[:1].upper() + text[1:]
    elif way < 0.77:
        text = text.upper()
    bare = text.rstrip("?.! ")
    return bare + rng.choice(("?", "?", "", ".", "", " ?"))


def misspell(text: str, rng: random.Random) -> str:
    """One slip of the fingers in a longer word."""
    words = [match for match in _WORD.finditer(text) if len(match[0]) > 5 and match[0].islower()]
    if not words:
        return text
    word = rng.choice(words)
    place = word.start() + rng.randint(1, len(word[0]) - 3)
    way = rng.random()
    if way < 0.4:
        return text[:place] + text[place + 1] + text[place] + text[place + 2 :]
    return text[:place] + text[place + 1 :] if way < 0.7 else text[:place] + text[place] + text[place:]


def front(text: str, _rng: random.Random) -> str:
    """The circumstance at the end of a question in front: "in Rome, where can I park"."""
    found = _FRONTED.match(text)
    if not found or text.isupper() or _HELD.match(found[1]):
        return text
    if f" {found[2].split()[0].lower()} " in found[1].lower():
        return text
    return f"{found[2]}, {found[1][:1].lower()}{found[1][1:]}"


def turn(text: str, _rng: random.Random) -> str:
    """Two names joined by "and" or "or" in the other order."""
    return _PAIRED.sub(r"\1\4 \3 \2", text, count=1)


def forum(text: str, rng: random.Random) -> str:
    """A sentence around the question, as in a forum."""
    asked = text[:1].upper() + text[1:]
    if rng.random() < 0.5:
        return rng.choice(_CONTEXTS) + asked
    return text.rstrip("?. ") + "?" + rng.choice(_TAILS)


def telegraph(text: str, rng: random.Random) -> str:
    """Some of the articles left out."""
    return _ARTICLE.sub(lambda found: found[0] if rng.random() < 0.4 else "", text)


def hesitate(text: str, rng: random.Random) -> str:
    """A filler somewhere between two words."""
    words = text.split()
    if len(words) > 2:
        words.insert(rng.randint(1, len(words) - 1), rng.choice(("um", "uh", "like", "er,", "well,", "you know,")))
    return " ".join(words)


def vary(text: str, rng: random.Random, *, strength: float = 1.0) -> str:
    """A prompt of the same answer, changed on its surface; `strength` 0 to 1 scales how much."""
    if rng.random() < 0.12 * strength:
        text = ask_indirectly(text, rng)
    if rng.random() < 0.35 * strength:
        text = contract(text, rng)
    if rng.random() < 0.3 * strength:
        text = reword(text, rng)
    if rng.random() < 0.06 * strength:
        text = misspell(text, rng)
    if rng.random() < 0.03 * strength:
        text = hesitate(text, rng)
    if rng.random() < 0.1 * strength:
        text = front(text, rng)
    if rng.random() < 0.1 * strength:
        text = turn(text, rng)
    if rng.random() < 0.05 * strength:
        text = telegraph(text, rng)
    if rng.random() < 0.04 * strength:
        return forum(text, rng)
    text = recase(text, rng)
    return wrap(text, rng) if rng.random() < 0.3 * strength else text
