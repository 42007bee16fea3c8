"""What the words mean by which the cache says why it did something, in clauses for people (docs/reasons.md)."""

from __future__ import annotations

from synapse_cache.decision import VetoReason

PASSTHROUGH = "passthrough_"
VETO = "veto_"

WHY = {
    # hits
    "exact": "this very request is stored",
    "alias": "this wording was found to ask the same as a stored question before",
    "semantic": "a stored question says the same, word by word",
    "verified": "the verifier holds the answer to a stored question for right",
    "stale_while_revalidate": "the stored answer is past its end, and is served while a fresh one is fetched",
    "stale_if_error": "the backends fail, and a stored answer past its end is better than none",
    # what the caller wants
    "skip": "the request asks to skip the cache",
    "no_cache": "the request asks for a fresh answer",
    # requests of which each is to have an answer of its own
    "temperature": "its temperature is higher than the operator lets the cache serve",
    "stateful": "its answer depends on more than the request, such as a search of the web",
    # requests of which only the very same are served
    "personal_data": "the request holds what looks like a personal identifier, so that only the very same is served",
    "personal_state": "the request is about the caller's own affairs, so that only the very same is served",
    "completion": "it is a completion, and of those only the very same is served",
    "last_not_user": "its last message is not a user's, so that only the very same request is served",
    "tools": "it has tools, so that only the very same request is served",
    "modalities": "it wants more than text, so that only the very same request is served",
    "media": "it holds more than text, so that only the very same request is served",
    "several_choices": "it wants several choices, so that only the very same request is served",
    "no_text": "its last message has no text, so that only the very same request is served",
    "long_prompt": "its last message is too long to be compared, so that only the very same request is served",
    "truncated": "its last message is longer than the embedder sees, so that only the very same request is served",
    "probing": "this key met too many questions of others lately; for now, only the very same request is served",
    "exact_only": "reuse by meaning is switched off, so that only the very same request is served",
    # time
    "daily": "its answer changes from day to day, and none that is fresh enough is stored",
    "hourly": "its answer changes within hours, and none that is fresh enough is stored",
    "live": "its answer changes by the minute, so that none is kept",
    # candidates
    "no_candidate": "no similar question is stored",
    "below_floor": "the stored questions are less similar than the threshold of hits",
    "denied": "the nearest answer was found wrong for this wording before",
    "unverified": "the texts leave open whether the nearest stored question is the same, and the verifier has no word",
    "above_bar": "no stored answer is likely enough to be right",
    "suspended": "reuse by meaning is off, since too many of its answers were wrong lately",
    "entry_gone": "the answer to the stored question is not there any more",
    "not_best": "another stored answer is likelier to be right, or was found first",
    "shadow": "hits by meaning are only recorded in shadow mode, and a backend answers",
    "hedged": "a backend answered before the search by meaning had ended",
    # what is down
    "redis_unavailable": "Redis cannot be asked",
    "embed_unavailable": "the embedder cannot be asked",
    "vectors_unavailable": "the vector store cannot be asked",
    "lookup_failed": "the lookup failed; the cache's log says how",
}
"""By every word but the vetoes, as told after "would hit: " or "would miss: "."""

DIFFERENCES = {
    VetoReason.PRIVATE: "or this one holds a personal identifier",
    VetoReason.CODE: "differs in its code",
    VetoReason.QUOTED: "differs in what it quotes",
    VetoReason.IDENTIFIER: "differs in an identifier",
    VetoReason.OTHER_LANGUAGE: "differs in its words, which outside English must be the same",
    VetoReason.NUMBER: "differs in a number",
    VetoReason.UNIT: "differs in a unit",
    VetoReason.DATE: "differs in a date or time",
    VetoReason.VERSION: "differs in a version",
    VetoReason.NEGATION: "differs in a negation",
    VetoReason.ANTONYM: "says the opposite",
    VetoReason.COMPARATIVE: "differs in a comparison",
    VetoReason.FORMAT: "differs in the form of answer that it wants",
    VetoReason.LANGUAGE: "differs in a language",
    VetoReason.PROGRAMMING: "differs in a programming language",
    VetoReason.ENTITY: "differs in a name",
    VetoReason.SYMBOL: "differs in a symbol",
    VetoReason.WORDS: "differs in its words",
    VetoReason.QUESTION: "asks for something else",
    VetoReason.TENSE: "differs in its tense",
    VetoReason.PERSON: "differs in whom it is about",
    VetoReason.ROLE: "gives its words other roles",
    VetoReason.ORDER: "differs in the order of its words",
    VetoReason.TOO_LONG: "or this one is too long to be compared",
}
"""What a veto or a doubt says of "the nearest stored question"."""


def clause(reason: str) -> str:
    """What `reason` means, as a clause; the word itself where it is unknown."""
    if reason.startswith(VETO):
        return f"the nearest stored question {DIFFERENCES[VetoReason(reason.removeprefix(VETO))]}"
    return WHY.get(reason, reason)
