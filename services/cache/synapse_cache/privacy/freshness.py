"""How soon the answer to a prompt grows old: classes by the words of time in it, and how long answers of each live."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from synapse_cache.privacy import time_words
from synapse_cache.privacy.remembered import remembered

_DAY_SECONDS = 86_400.0
_LONGEST_END = 600
"""Of a longer text only this much of its beginning and of its end is read: the question stands there."""


class Freshness(StrEnum):
    """How soon an answer grows old."""

    STATIC = "static"
    DAILY = "daily"
    """It is about today, this week, the latest: other days have other answers."""
    HOURLY = "hourly"
    """It is about weather, news, prices as they are now."""
    LIVE = "live"
    """It is about this very minute."""


@dataclass(frozen=True, slots=True)
class Life:
    """How long an answer may be served: `seconds`, 0 for not at all; never beyond midnight UTC if it is of the day."""

    freshness: Freshness = Freshness.STATIC
    seconds: float = math.inf
    ends_at_midnight: bool = False

    @property
    def over_at_once(self) -> bool:
        """Whether an answer may not be kept at all; who asks meanwhile may still share it."""
        return self.seconds <= 0

    def ends_at(self, created_at: float) -> float:
        """When an answer made at `created_at` is too old; both in seconds since the epoch."""
        end = created_at + self.seconds
        if self.ends_at_midnight:
            end = min(end, (created_at // _DAY_SECONDS + 1) * _DAY_SECONDS)
        return end


STATIC = Life()


@dataclass(frozen=True, slots=True)
class Lives:
    """The longest life of answers by class, in seconds; 0 means that they are neither stored nor served."""

    live_seconds: float = 0.0
    hourly_seconds: float = 900.0
    daily_seconds: float = 6 * 3600.0

    def of(self, text: str) -> Life:
        """How long the answer to `text` may live."""
        freshness = freshness_of(text)
        if freshness is Freshness.STATIC:
            return STATIC
        if freshness is Freshness.DAILY:
            return Life(freshness, self.daily_seconds, ends_at_midnight=True)
        return Life(freshness, self.live_seconds if freshness is Freshness.LIVE else self.hourly_seconds)


LIVES = Lives()


def strictest(lives: Iterable[Life]) -> Life:
    """The shortest of `lives`; static when there is none."""
    return min(lives, key=lambda life: life.seconds, default=STATIC)


_MOVING = (
    r"(?:weather|temperature(?=\s(?:outside|right|now|today|tonight|tomorrow|currently|in\s(?!the\b|a\b|degrees|celsius"
    r"|fahrenheit|kelvin)))|forecast|traffic|headlines|(?<!fake\s)news|the\sscore|standings|(?:game|match|football|nba|nfl|cricket)"
    r"\sscores?|(?:stock|share|bitcoin|btc|ethereum|eth|crypto\w*|gold|silver|oil|gas|petrol|fuel)\s(?:price|quote)s?"
    r"|stock\smarket|exchange\srates?|price\sof\s(?:bitcoin|btc|ethereum|eth|gold|silver|oil|gas|petrol)"
    r"|air\squality|pollen|election\sresults?)"
)
_WHAT_IS = (
    r"(?:what(?:['’]?s|\sis|\sare|\swill)|how(?:['’]?s|\sis)|how\s(?:much|hot|cold|warm|humid|bad)(?:['’]?s|\sis|\sare)"
    r"|(?:tell|show|give|get)\s(?:me\s)?|check|any)\s(?:(?:the|be|like|me|current|latest|today['’]?s)\s){0,3}"
)
_LIVE = re.compile(
    rf"""\b(?:
      what\stime\sis\sit|what(?:['’]?s|\sis)\sthe\s(?:(?:current|exact|local)\s)?time\b(?!\s(?:complexity|limit|frame|zone
        |difference|signature|value|span|period|taken|required|of\s(?:flight|death)|it\stakes|between|to\s|for\s))
    | (?:current|exact|local)\stime\s(?:in|at|now|right)|time\s(?:right\s)?now\b
    | live\s(?:scores?|updates?|prices?|rates?|results?|quotes?|coverage|traffic)
    | (?:is|are)\s[\w.' -]{{2,40}}\s(?:down|open|closed|online|offline|live|up)
        \s(?:right\snow|now|at\sthe\smoment|currently)\b
    | {_MOVING}(?:\s[\w']{{1,20}}){{0,5}}\s(?:right\snow|at\sthe\smoment|this\s(?:minute|second|instant))
    | (?:right\snow|at\sthe\smoment)(?:\s[\w']{{1,20}}){{0,5}}\s{_MOVING}
    )""",
    re.VERBOSE,
)
_HOURLY = re.compile(
    rf"""\b(?:
      {_WHAT_IS}(?:[\w'’-]{{1,20}}\s){{0,4}}{_MOVING}\b(?!\s(?:is|was|are|were|applied|used|wrong|mean|means|balloon|station|vane|app|api
        |pattern|map|channel|radar|system)s?\b)
    | (?:current|latest|breaking|up-to-date|today['’]?s|tonight['’]?s|live)\s(?:[\w'’-]{{1,20}}\s){{0,3}}{_MOVING}\b
    | {_MOVING}(?:\s[\w'’]{{1,20}}){{0,4}}\s(?:today|now|tonight|tomorrow|currently
        |this\s(?:week(?:end)?|morning|afternoon|evening|hour)|next\sweek|yesterday)\b
    | right\snow|as\sof\snow|this\s(?:hour|minute|second|instant)
    | (?:past|last|next)\s(?:\w{{1,8}}\s)?(?:hours?|minutes?)\b
    | (?:minutes?|hours?)\sago\b
    | (?:will|is)\sit\s(?:going\sto\s)?(?:be\s)?(?:rain|snow|sunny|hot|cold|warm|storm|freez|cloud)\w{{0,4}}\b
    | what\s(?:day|date)\s(?:is|of)\s(?:it|today|the\sweek\sis)|(?:today['’]?s|current)\s(?:date|day)\b
    | who(?:['’]?s|\sis)\s(?:winning|leading|ahead)\b
    )""",
    re.VERBOSE,
)
_DAILY = re.compile(
    r"""\b(?:
      today(?!['’]?s\s(?:world|society|age|market|economy|era|culture|youth))|tonight|tomorrow|yesterday|nowadays
    | (?:this|last|next|past|coming)\s(?:week|weekend|month|year|season|morning|afternoon|evening|night|quarter|spring
        |summer|autumn|winter|monday|tuesday|wednesday|thursday|friday|saturday|sunday)\b(?!\s(?:of|after|before)\s)
    | (?:days?|weeks?|months?)\sago|(?:last|past|next)\s(?:\w{1,8}\s)?(?:days|weeks|months)
    | currently|current(?=\s[a-z])(?!\s(?:account|density|divider|flow|through|transformer|electricity|source|limiting
        |loop|in|of|is|and|or|carrying|rating))
    | latest|newest|(?:the|your)\smost\srecent|recently|trending|breaking|upcoming|ongoing|up-to-date|at\sthe\smoment
    | these\sdays|at\spresent|presently|so\sfar\s(?:this|today)|as\sof\s(?:today|this|yet|the\s(?:moment|latest))
    | (?:is|are)\s[\w.' -]{2,40}\s(?:still\salive|still\sopen|still\savailable)
    | (?:who|what|which|where|is|are|does|do)\b[^.?!\n]{2,80}\snow(?=\s?[?.!]|\s?$)
    )\b""",
    re.VERBOSE,
)
_QUOTED = re.compile(r"\"[^\"\n]{1,300}\"|“[^”\n]{1,300}”|«[^»\n]{1,300}»|`[^`\n]{1,300}`")
_TELLS = re.compile(
    r"\b(?:i|we)(?:['’](?:ve|m|d))?\s(?:(?:have|had|just|already|recently|only|first|also|then|never|still|even|have\snot)\s)"
    r"{0,3}(?:\w{2,15}ed|made|did|got|went|sent|bought|paid|put|took|saw|found|lost|gave|withdrew|spent|came|was|were"
    r"|thought|forgot|left|sold|told|knew|began|met|broke|ate|drank|slept|wrote|read|ran|fell|hurt|hit|cut)\b"
)
_WHEN_TOLD = re.compile(
    r"\b(?:(?:earlier\s|just\s)?today|yesterday|tonight|recently|(?:earlier\s)?this\s(?:morning|afternoon|evening|week|month|year)"
    r"|last\s(?:\w{3,9})|(?:\w{1,8}\s)?(?:minutes?|hours?|days?|weeks?|months?)\sago|(?:in|over)?\s?the\s(?:last|past)\s"
    r"(?:\w{1,8}\s)?(?:hours?|days?|weeks?|months?)|now|right\snow|currently)\b"
)
"""In what somebody tells of themselves, the words of time say when it happened, not which day's answer is wanted."""


@remembered
def freshness_of(text: str) -> Freshness:
    """The class of `text` by its words; where languages disagree on a word, the shorter life."""
    low = _read(text)
    if _LIVE.search(low) is not None:
        return Freshness.LIVE
    if _HOURLY.search(low) is not None or time_words.say_hourly(low):
        return Freshness.HOURLY
    if _DAILY.search(low) is not None or time_words.say_daily(low):
        return Freshness.DAILY
    return Freshness.STATIC


def _read(text: str) -> str:
    """What of `text` may say which day's answer is wanted, in lower case."""
    if len(text) > 2 * _LONGEST_END:
        text = f"{text[:_LONGEST_END]}\n{text[-_LONGEST_END:]}"
    low = " ".join(_QUOTED.sub(" quoted ", text.lower()).split())
    return _WHEN_TOLD.sub("", low) if _TELLS.search(low) is not None else low
