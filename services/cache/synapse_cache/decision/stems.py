"""Inflected forms to one lemma: regular plurals, known verbs and irregular forms; unknown words keep their form."""

from __future__ import annotations

from functools import lru_cache

from synapse_cache.decision.names import CATEGORIES
from synapse_cache.decision.synonyms import SPELLINGS, SYNONYMS
from synapse_cache.decision.wordlist import word_set

STEM_CACHE_WORDS = 16_384

_VERBS = """
accept access achieve acquire act add adjust admit adopt advise affect afford agree aim alert allow alter amend
analyze announce answer appeal appear apply appoint approve argue arrange arrive ask assess assign assist attach
attack attempt attend attract author avoid award back bake balance bank bath battle be beg behave belong bill block
board boil book border borrow bother bounce brew broadcast build burn call cancel capture care carry cause celebrate
certify challenge change charge chase chat cheat check claim clean clear click climb close coach collaborate collect
combine comment commit communicate commute compare compete compile complain complete compute concern configure confirm
connect consider consist construct consult consume contact contain continue contribute control convert convince cook
copy correct cost count cover crash create credit cross cure damage dance date debit debug decide declare decline
decorate decrease define delay delete deliver demand deny depart depend deploy deposit describe design destroy detect
determine develop die diet differ disable disagree discontinue discount discover discuss dispute dissolve distribute
divide download dream dress drop dry earn edit educate elect email employ enable encounter encourage end enforce
enjoy enroll ensure enter entertain escape establish estimate evaluate evolve exchange exclude exercise exist exit
expect experience expire explain explore export express extend extract face fail fall fancy favor fear feature fetch
file fill filter finance fine finish fire fix flow focus fold follow force form format freeze fund gain gamble
garden gather generate govern grade graduate grant greet guarantee guard guess guide handle hang happen harm hate
heat help hike hire hope host hunt identify ignore imagine implement import improve include increase inform inherit
inject insert install instruct insure intend interact interest interview introduce invent invest investigate invite
involve issue jog join joke judge jump kick kill kiss knock label land last laugh launch learn license lift like limit
link list listen live load locate lock log look love lower maintain manage manufacture march mark marry match matter
measure mention merge migrate miss mix model modify monitor motivate mount move murder name need negotiate note notice
notify number obey object observe obtain occur offer open operate order organize originate outline own pack paint park
participate pass paste pause pay perform permit phone pick place plan plant play point pop post pour practice predict
prefer prepare present preserve press prevent price print process produce program prohibit promise promote propose
protect prove provide publish pull pump purchase push qualify query question quote race rain raise range rank rate
reach react realize rebook recall receive recognize recommend record recover recycle reduce refer refinance refund
refuse register regret reject relate relax release rely remain remember remind remove rename renew rent repair repeat
replace reply report represent request require rescue research reserve reset resign resolve respect respond rest
restart restore result resume retire return reveal reverse review revise reward risk roast rotate ruin rule rush sail
save scan schedule score search secure select separate serve service settle share ship shop shout sign ski slip slow
smell smile smoke snow solve sort sound specify spill split spoil sponsor stage start state stay stop store study
submit subscribe succeed suffer suggest suit supply support suppose surprise survive suspect suspend swap switch talk
tap target taste tax test thank tie time top total touch tour track trade train transfer transform translate transport
travel treat trigger trip trust try turn type uninstall unlock update upgrade upload use vaccinate validate value
vary verify view visit voice vote wait walk want warm warn wash waste watch water weigh welcome whisper wish withdraw
work worry wrap activate add deactivate educate instruct star
"""
_IRREGULAR = """
be been being|begin began begun beginning|become became becoming|bite bit bitten biting|blow blew blown
break broke broken breaking|bring brought bringing|build built building|buy bought buying|catch caught catching
choose chose chosen choosing|come came coming|cut cutting|deal dealt dealing|do done doing|draw drew drawn drawing
drink drank drunk drinking|drive drove driven driving|eat ate eaten eating|fall fell fallen falling|feed fed feeding
feel felt feeling|fight fought fighting|find found finding|fly flew flown flying flies
forget forgot forgotten forgetting|forgive forgave forgiven|get got gotten getting|give gave given giving
go went gone going goes|grow grew grown growing|hear heard hearing|hide hid hidden hiding|hit hitting
hold held holding|hurt hurting|keep kept keeping|know knew known knowing|lead led leading|leave left_ leaving leaves
lend lent lending|let letting|lose lost losing|make made making|mean meant meaning meanings|meet met|pay paid paying
put putting|quit quitting|read reading|ride rode ridden riding|ring rang rung|rise rose_ risen|run ran running
say said saying|see saw_ seen seeing|sell sold selling|send sent sending|set setting|shake shook shaken|shine shone
shoot shot_ shooting|shut shutting|sing sang sung singing|sit sat sitting|sleep slept sleeping
speak spoke spoken speaking|spend spent spending|stand stood standing|steal stole stolen|stick stuck
swim swam swum swimming|take took taken taking|teach taught teaching teaches|tell told telling
think thought_ thinking|throw threw thrown|understand understood|wake woke woken waking|wear wore worn wearing
win won winning|write wrote written writing|child children|man men|woman women|person people persons|foot_ feet_
tooth teeth|mouse mice|goose geese|life lives|wife wives|knife knives|leaf_ leaves_|wolf wolves|half halves
shelf shelves|thief thieves|loaf loaves|analysis analyses|crisis crises|criterion criteria|phenomenon phenomena
index indices indexes|matrix matrices|vertex vertices|university universities|city cities|country countries
bus buses|gas gases|movie movies|cookie cookies|calorie calories|tie ties|pie pies|zombie zombies|selfie selfies
status statuses|virus viruses|die died dying|lie lied lying|series|species|news|means|physics|mathematics|economics
politics|ethics|athletics|always|perhaps|texas|paris|dallas|christmas|chess|atlas|canvas|lens|his|us|gas|bias|alias
pandas|kansas|arkansas|illinois|vegas|angeles|athens|brussels|netherlands|philippines|emirates|mars|venus|jesus
james|charles|thomas|nicholas|texts|redis|aws|ios|macos|windows|https|kubernetes|mercedes|diabetes|rabies|herpes
glasses|pants|scissors|customs|thanks|headquarters|sales|goods|arms|maths|used_|business businesses
address addresses|process processes|class classes|access accesses|success successes|access|express|press|less|unless
across|plus|minus|bonus|campus|virus|focus|census|corpus|status|apparatus|cactus
""".replace("\n", "|")
_FINITE_PAST = word_set(
    "began became broke brought came chose drank drove ate fell fought flew forgot gave went grew knew led made met "
    "paid ran said sang sold sent spoke spent stole swam took taught told threw wore won wrote"
)


def _inflections(verb: str) -> tuple[str, str, str]:
    """The -s, -ed and -ing forms of a regular verb."""
    if verb.endswith("ie"):
        return verb + "s", verb + "d", verb[:-2] + "ying"
    if verb.endswith("e"):
        return verb + "s", verb + "d", (verb if verb.endswith(("ee", "oe", "ye")) else verb[:-1]) + "ing"
    if verb.endswith("y") and verb[-2] not in "aeiou":
        return verb[:-1] + "ies", verb[:-1] + "ied", verb + "ing"
    if verb.endswith(("s", "x", "z", "ch", "sh")):
        return verb + "es", verb + "ed", verb + "ing"
    return verb + "s", verb + "ed", verb + "ing"


def _verb_forms() -> dict[str, str]:
    forms: dict[str, str] = {}
    for verb in _VERBS.split():
        plural, past, progressive = _inflections(verb)
        forms.update({plural: verb, past: verb, progressive: verb})
        if verb[-1] not in "aeiouywx" and verb[-2:-1] in tuple("aeiou"):  # stop, stopped; travel, travelled
            forms.update({verb + verb[-1] + "ed": verb, verb + verb[-1] + "ing": verb})
    for group in _IRREGULAR.strip("|").split("|"):
        words = group.split()
        forms.update(dict.fromkeys(words, words[0]))
    return forms


_FORMS = _verb_forms()
_KNOWN = frozenset(_FORMS) | frozenset(_VERBS.split()) | frozenset(SYNONYMS) | frozenset(CATEGORIES)
_KEEP_S = ("ss", "us", "is", "os", "'s")


@lru_cache(maxsize=STEM_CACHE_WORDS)
def lemma(word: str) -> str:
    """The form under which two inflections or spellings of a lower-case word meet."""
    word = _spelled(word)
    known = _FORMS.get(word) or _FORMS.get(_spelled_verb(word))
    stem = _spelled(known or _singular(word))
    return SYNONYMS.get(stem, stem)


def _spelled(word: str) -> str:
    """British spelling to American."""
    if word in SPELLINGS:
        return SPELLINGS[word]
    if len(word) > 5:
        for british, american in (("isation", "ization"), ("yse", "yze"), ("ise", "ize"), ("our", "or")):
            if word.endswith(british):
                return word[: -len(british)] + american
            if british != "our" and word.endswith(british + "s"):
                return word[: -len(british) - 1] + american + "s"
    return word


def _spelled_verb(word: str) -> str:
    for british, american in (("ised", "ized"), ("ising", "izing"), ("ysed", "yzed"), ("ysing", "yzing")):
        if word.endswith(british):
            return word[: -len(british)] + american
    return word.replace("our", "or") if "our" in word[2:] and word.endswith(("ed", "ing", "s")) else word


def _singular(word: str) -> str:
    if len(word) < 4 or not word.endswith("s") or word.endswith(_KEEP_S):
        return word
    if word.endswith("ies"):
        return word[:-3] + "y"
    if word.endswith(("sses", "xes", "zzes", "ches", "shes")):
        return word[:-2]
    return word[:-1]


def known(word: str) -> bool:
    """Whether a lower-case word is one of the English words listed here."""
    return word in _KNOWN


@lru_cache(maxsize=STEM_CACHE_WORDS)
def form(word: str) -> str:
    """How a lower-case word is inflected: `ing`, `past` (finite), `ed`, `s` or the empty string."""
    if word in _FINITE_PAST:
        return "past"
    if word.endswith("ing") and lemma(word) != word:
        return "ing"
    if word.endswith("ed") and lemma(word) != word:
        return "ed"
    if word.endswith("s") and lemma(word) != word:
        return "s"
    return ""
