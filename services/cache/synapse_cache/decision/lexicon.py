"""Closed classes of English: the words that carry structure rather than content."""

from __future__ import annotations

from synapse_cache.decision.wordlist import word_set

# Carry no answer-changing meaning of their own once question type, tense, person and modality are noted apart.
DROPPED = word_set(
    "a an the this that these those there it its is are am be been being was were do does did have has had having "
    "really actually just exactly simply basically kindly possibly perhaps maybe please precisely literally "
    "um uh er hmm ok okay oh any some what which who whom whose and to i me my mine we us our ours you your yours "
    "myself yourself ourselves will shall would"
)

# Connectors that all say "belongs to, is located at, concerns"; a move of such a phrase keeps the meaning.
NEUTRAL_CONNECTORS = word_set("of in on at for within inside")

# Connectors that give what follows its own role; the phrase may move, the role may not change.
ROLE_CONNECTORS = {
    "about": "about",
    "regarding": "about",
    "concerning": "about",
    "from": "from",
    "into": "to",
    "onto": "to",
    "toward": "to",
    "towards": "to",
    "before": "before",
    "after": "after",
    "since": "since",
    "until": "until",
    "till": "until",
    "during": "during",
    "between": "between",
    "among": "among",
    "by": "by",
    "via": "via",
    "through": "through",
    "with": "with",
    "using": "with",
    "against": "against",
    "over": "over",
    "under": "under",
    "above": "above",
    "below": "below",
    "beneath": "below",
    "behind": "behind",
    "beyond": "beyond",
    "near": "near",
    "across": "across",
    "than": "than",
    "as": "as",
    "like": "like",
    "per": "per",
    "versus": "versus",
    "vs": "versus",
    "upon": "on",
    "around": "around",
    "along": "along",
    "except": "except",
    "despite": "despite",
}

# "to" before a verb is no direction; after these words it never is one.
INFINITIVE_AFTER = word_set(
    "how want need like able have has had going wish try trying ready used possible possibly impossible safe unsafe "
    "necessary required allowed permitted supposed ought easy easier easiest hard harder hardest best better good bad "
    "way ways steps where what when order eligible legal illegal ok okay happen happens plan hope refuse decide "
    "forget forgot remember learn start begin continue help it"
)

# Particles turn a verb into another verb ("log in", "log out"): after these, in and on are content.
PARTICLE_VERBS = word_set(
    "turn log sign check opt switch put take hand fill plug break kick carry hold cash trade tune lock zoom "
    "turned logged signed checked opted switched handed filled plugged turning logging signing checking "
    "switching plugging"
)

NEGATIONS = {
    "not": "neg:not",
    "never": "neg:never",
    "no": "neg:no",
    "none": "neg:no",
    "nobody": "neg:nobody",
    "nothing": "neg:nothing",
    "nowhere": "neg:nowhere",
    "neither": "neg:neither",
    "nor": "neg:nor",
    "without": "neg:without",
    "non": "neg:non",
    "hardly": "neg:hardly",
    "barely": "neg:hardly",
    "unless": "neg:unless",
    "lack": "neg:lack",
    "lacking": "neg:lack",
}

MODALS = {
    "can": "mod:can",
    "could": "mod:can",
    "may": "mod:can",
    "might": "mod:might",
    "should": "mod:should",
    "ought": "mod:should",
    "must": "mod:must",
}
# In "how ...?" the modal only colours the question: "how can I" asks what "how do I" asks.
HOW_MODALS = frozenset(("mod:can", "mod:should"))

PAST = word_set("was were did had")
PRESENT = word_set("is are am do does has")
FUTURE = word_set("will shall")

FIRST_PERSON = word_set("i me my mine we us our ours myself ourselves")
SECOND_PERSON = word_set("you your yours yourself")
POSSESSIVES = word_set("my our your mine ours yours")
PRONOUNS = {
    "he": "pro:he",
    "him": "pro:he",
    "his": "pro:he",
    "himself": "pro:he",
    "she": "pro:she",
    "her": "pro:she",
    "hers": "pro:she",
    "herself": "pro:she",
    "they": "pro:they",
    "them": "pro:they",
    "their": "pro:they",
    "theirs": "pro:they",
    "themselves": "pro:they",
}

AUXILIARIES = word_set("is are am was were do does did can could will would should shall has have had may might must")
INTERROGATIVES = word_set("who whom whose when where why how what which")
HOW_DEGREES = word_set(
    "many much long often old far tall high big large deep wide fast heavy hot cold late early soon quickly "
    "frequently close strong hard difficult expensive likely common"
)
BREAKS = frozenset(",;:.!?()[]{}–—-/|\n…")

# Weak evidence of English; a text with none of these is treated as a language we do not know.
ENGLISH_MARKERS = word_set(
    "the of to and a in is are was were what which who when where why how do does did can could should would will "
    "my your me i you we it for on with from at by not or an be have has this that there please between than about "
    "if get show find list give tell explain describe write make most all any"
)
# Those of them that hardly any other language has, so that one is enough.
ENGLISH_ALONE = word_set(
    "the of what which who when where why how does did can could should would my your with from not this that there "
    "please between than about are is it any get show find tell explain describe write make"
)
FOREIGN_MARKERS = (
    word_set(
        "der die das und ist nicht ein eine einen wie wo warum wer den dem zu mit für auf von im sie ich wir ihr sind "
        "le la les des une est et qui que quoi où comment pourquoi dans avec pour sur je nous vous il elle sont "
        "el los las una es y qué cómo dónde quién por para con del al "
        "il lo gli uno di che chi come dove perché per sono non "
        "o os um uma é não como onde quem com em da do dos het een niet van wat wie waar hoe zijn "
        "jest nie co jak gdzie och att det som är en ett på og ikke hvad ve bir ne için değil"
    )
    - ENGLISH_MARKERS
)
