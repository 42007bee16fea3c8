"""Politeness and framing around a question ("Hi, could you tell me ...? Thanks!") and what it asks for."""

from __future__ import annotations

import re
from enum import Enum

MAX_WRAPPERS = 8


class Ask(Enum):
    """What a frame asks for; LIST and DESCRIBE exclude each other, OPEN goes with both."""

    OPEN = "open"
    LIST = "list"
    DESCRIBE = "describe"


_GREETING = re.compile(
    r"""(?:
      (?:hi|hello|hey|hiya|yo|greetings)(?:\s+(?:there|all|everyone|team|again|guys|folks))?
    | good\s+(?:morning|afternoon|evening|day) (?=\s*[,.!;:-])
    | dear\s+(?:all|team|sir|madam|support)
    | (?:please|pls|plz|kindly|ok|okay|so|well|u+m+|u+h+|er+|h+m+|oh|alright|right|sorry|excuse\s+me|actually|basically)
    | (?:thanks|thank\s+you)(?:\s+in\s+advance)? (?=\s*[,.!;:-])
    | (?:just\s+)?(?:a\s+)?(?:quick|short|simple|random|silly|stupid|dumb)\s+(?:question|one|q)
    | (?:my\s+|a\s+|i\s+have\s+a\s+|i've\s+got\s+a\s+)question (?:\s+is)?
    | question (?=\s*[:,-])
    | (?:yes|yeah) (?=\s*[,.!]|\s+(?:i|show|what|give|can|could|please)\b)
    | now (?=\s+(?:show|tell|give|list|find|what|which)\b)
    )(?=[\s,.:;!?-]|$)[\s,.:;!?-]*""",
    re.VERBOSE | re.IGNORECASE,
)
_POLITE = r"(?:(?:please|kindly|maybe|possibly|perhaps|just)\s+)*"
_ASKING = re.compile(
    rf"""(?:
      (?:can|could|would|will)\s+(?:you|u|someone|anyone|somebody|anybody)\s+{_POLITE}(?:help\s+me\s+(?:to\s+)?)?
      (?=(?:tell|show|give|explain|describe|list|find|name|clarify|provide|let|write|translate|convert|summari[sz]e
           |calculate|compute|understand|define|compare|display|inform|teach|remind|suggest|recommend)\b)
    | (?:can|could|would|will)\s+you\s+(?=[a-z])(?!not\b|be\b|ever\b|still\b|also\b|actually\b|have\b|been\b|rather\b)
    | i\s+(?:really\s+)?(?:want|need|would\s+like|would\s+love)\s+to\s+(?!know\b|be\b|have\b|not\b)(?=[a-z])
    | i'd\s+(?:like|love)\s+to\s+(?!know\b|be\b|have\b|not\b)(?=[a-z])
    | (?:can|could|may|might)\s+i\s+(?:please\s+)?(?:ask|know|find\s+out)(?:\s+you)?(?=\s)
    | i(?:\s+(?:just|really|also))?(?:\s+(?:want|wanted|need|needed|wish|like)
        |\s+would\s+(?:love|like)|'d\s+(?:love|like)
        |\s+would\s+be\s+interested|\s+am\s+trying|'m\s+trying|\s+was\s+hoping)\s+to\s+
        (?:know|learn|find\s+out|understand|ask(?:\s+you)?|hear|figure\s+out|be\s+told)(?=\s)
    | i(?:'d|\s+would)\s+like\s+(?:you\s+to\s+(?=tell|show|give|explain|describe|list)|information\s+on|to\s+see)
    | i(?:'m|\s+am)\s+looking\s+for | i(?:\s+(?:need|want)|'d\s+like|\s+would\s+like)\s+(?:to\s+(?:see|find)\s+)?
        (?=(?:an?|the|all|some|information|info)\b)
    | i(?:\s+am|\s+was|'m)\s+(?:just\s+)?(?:wondering|curious(?:\s+to\s+know)?|interested\s+in\s+knowing)
    | i(?:\s+do\s+not|\s+don't|\s+dont)\s+(?:know|understand)\s+(?=(?:how|why|what|where|when|who|which)\b)
    | i(?:'m|\s+am)\s+not\s+sure\s+(?=(?:how|why|what|where|when|who|which)\b)
    | i\s+(?:have\s+no\s+idea|can't\s+figure\s+out|cannot\s+figure\s+out)\s+(?=(?:how|why|what|where|when|who|which)\b)
    | i\s+(?:think|believe)\s+(?:that\s+)?(?=(?:my|i|the|someone|there)\b)
    | just\s+wondering|wondering
    | do\s+you\s+(?:happen\s+to\s+)?know | (?:does|do)\s+(?:anyone|anybody|someone)\s+(?:here\s+)?know
    | (?:any|have\s+you\s+any|do\s+you\s+have\s+any)\s+idea
    | (?:would|do)\s+you\s+mind\s+(?=telling|explaining|showing|describing|listing)
    | (?:help\s+me\s+(?:to\s+)?)(?:understand|find\s+out|figure\s+out)
    | what\s+i\s+(?:want|need|would\s+like)\s+to\s+know\s+is | let\s+me\s+know | remind\s+me | inform\s+me
    )(?=[\s,:;-]|\b)[\s,:;-]*""",
    re.VERBOSE | re.IGNORECASE,
)
_TELL = re.compile(
    r"(?:tell|telling|teach|inform)\s+(?:me|us)(?P<about>\s+(?:something\s+|more\s+|all\s+)?about)?[\s:,-]+"
    r"|(?P<open>(?:give|get|provide|return)\s+(?:me|us)(?:\s+with)?|provide)[\s:,-]+"
    r"|(?P<write>(?:write|compose|generate)(?:\s+(?:me|us))?)\s+(?=an?\s|the\s)"
    r"|(?P<describe>(?:explain|describe|explaining|describing|clarify)(?:\s+to\s+(?:me|us))?(?:\s+about)?)[\s:,-]+"
    r"|(?P<list>(?:list|show|name|enumerate|display|find|showing|listing)(?:\s+(?:me|us|out))?)[\s:,-]+",
    re.IGNORECASE,
)
_DEFINE = re.compile(r"(?:please\s+)?define\s+(?:the\s+(?:word|term)\s+)?", re.IGNORECASE)
_TAIL = re.compile(
    r"""[\s,.;:!?-]+(?:
      (?:please|pls|plz|kindly)
    | (?:(?:many\s+)?thanks|thank\s+you|thx|cheers|ty)(?:\s+(?:a\s+lot|so\s+much|very\s+much|in\s+advance|again))?
    | if\s+you\s+(?:can|could|would|don't\s+mind|do\s+not\s+mind|please) | i\s+wonder
    | i(?:'m|\s+am)\s+(?:just\s+)?(?:wondering|curious)
    | do\s+you\s+(?:happen\s+to\s+)?know | (?:can|could)\s+you\s+(?:please\s+)?tell\s+me | (?:please\s+)?tell\s+me
    | (?:can|could)\s+(?:you|someone|anyone)\s+(?:please\s+)?help(?:\s+me)?(?:\s+with\s+(?:this|that|it))?
    | (?:please\s+)?help(?:\s+me)?(?:\s+please)? | any\s+(?:idea|ideas|help) | just\s+(?:wondering|curious)
    )[\s,.;:!?-]*$""",
    re.VERBOSE | re.IGNORECASE,
)
_FOR_ME = re.compile(r"\s+(?:for|to)\s+(?:me|us)[\s,.;:!?-]*$", re.IGNORECASE)
_TAIL_STARTS = re.compile(
    r"\b(?:please|pls|plz|kindly|thanks?|thx|cheers|ty|you|wonder|wondering|curious|know|me|us|mind|idea|ideas|help"
    r"|can|could|would|lot|much|advance|again|this|that|it|for)[\s,.;:!?-]*$",
    re.IGNORECASE,
)


def strip(text: str) -> tuple[str, Ask]:
    """The question without its frame, and what the frame asks for."""
    text, framed = text.strip(), False
    position, asked = 0, Ask.OPEN
    for _ in range(MAX_WRAPPERS):
        found = _GREETING.match(text, position)
        if found is None:
            found = _ASKING.match(text, position)
            framed = framed or found is not None
        if found is None or found.end() >= len(text):
            break
        position = found.end()
    told = _TELL.match(text, position)
    if told is not None and told.end() < len(text):
        framed = True
        position = told.end()
        if told.group("list"):
            asked = Ask.LIST
        elif told.group("describe") or told.group("about"):
            asked = Ask.DESCRIBE
        again = _GREETING.match(text, position)
        position = again.end() if again is not None and again.end() < len(text) else position
    text = _without_tail(text[position:], framed=framed)
    return _DEFINE.sub("what is the meaning of ", text, count=1) if _DEFINE.match(text) else text, asked


def _without_tail(text: str, *, framed: bool) -> str:
    for _ in range(MAX_WRAPPERS):
        if not _TAIL_STARTS.search(text[-24:]):
            break
        cut = _TAIL.search(text) or (_FOR_ME.search(text) if framed else None)
        if cut is None or cut.start() == 0:
            break
        text = text[: cut.start()]
    return text
