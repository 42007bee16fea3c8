"""Ways of asking for one thing: a phrase wrapped into all the forms in which people say it."""

from __future__ import annotations

# {v}: verb phrase, base form; {g}: the same with -ing; {n}: noun phrase.
SHELLS: dict[str, tuple[str, ...]] = {
    "how": (
        "how do I {v}", "how can I {v}", "how to {v}", "what's the way to {v}", "what is the best way to {v}",
        "what steps do I need to take to {v}", "how would I {v}", "I want to {v}, how do I do that",
        "can you tell me how to {v}", "explain how to {v}", "how does one {v}", "how should I go about {g}",
        "I need to {v}", "help me {v}", "instructions for {g}", "what do I have to do to {v}", "show me how to {v}",
        "steps to {v}", "how do you {v}", "what's the process for {g}", "i'm trying to {v}, what do I do",
        "how might I {v}", "guide to {g}", "I'd like to {v}", "what is the procedure for {g}", "way to {v}",
        "could you walk me through {g}", "i am looking for a way to {v}", "tell me how i can {v}",
        "how can one {v}", "what are some ways to {v}", "which is the best way to {v}", "what should I do to {v}",
        "what are some tips for {g}", "how could I {v}", "any tips on {g}", "what is a good way to {v}",
    ),
    "what": (
        "what is {n}", "what's {n}", "tell me {n}", "can you tell me {n}", "{n}", "give me {n}", "find {n}",
        "do you know {n}", "I'd like to know {n}", "show me {n}", "could you tell me what {n} is", "I want to know {n}",
        "please tell me what {n} is", "look up {n}", "name {n}", "what would {n} be", "find out {n} for me",
    ),
    "list": (
        "list {n}", "list all {n}", "show me {n}", "show {n}", "what are {n}", "which are {n}", "give me a list of {n}",
        "find {n}", "find all {n}", "display {n}", "get me {n}", "I need a list of {n}", "name {n}", "tell me {n}",
        "what are all {n}", "enumerate {n}", "i'd like to see {n}", "return me {n}", "can you list {n}", "give me {n}",
        "{n}", "please show me all {n}", "what {p} are there", "which {p} are there", "are there any {p}",
    ),
    "count": (
        "how many {p} are there", "what is the number of {p}", "count {p}", "count the {p}", "the number of {p}",
        "what's the total number of {p}", "tell me how many {p} there are", "number of {p}", "how many {p} exist",
        "give me the number of {p}", "find the number of {p}",
    ),
    "do": (
        "{v}", "please {v}", "can you {v}", "could you please {v}", "I want you to {v}", "I need you to {v}",
        "{v} for me", "would you {v}", "I would like you to {v}", "go ahead and {v}", "i'd like you to {v}", "{v} now",
    ),
    "where": (
        "where can I {v}", "where do I {v}", "in which place can I {v}", "what is a good place to {v}",
        "which place lets me {v}", "where is it possible to {v}", "I want to {v}, where do I go", "places to {v}",
    ),
    "cost": (
        "how much is {n}", "how much does {n} cost", "what does {n} cost", "what is the price of {n}",
        "what do I have to pay for {n}", "price of {n}", "cost of {n}", "how expensive is {n}",
        "what is the cost of {n}",
        "how much do I pay for {n}",
    ),
}  # fmt: skip
# What may be asked instead about the same phrase: another question, another answer.
RIVALS: dict[str, tuple[str, ...]] = {
    "how": (
        "why should I {v}",
        "when should I {v}",
        "is it safe to {v}",
        "how much does it cost to {v}",
        "how long does it take to {v}",
        "where can I {v}",
        "can I {v} for free",
        "who can {v} for me",
        "how do I avoid {g}",
        "how do I stop {g}",
        "should I {v}",
        "is it legal to {v}",
        "how often should I {v}",
        "what happens if I {v}",
        "how do I {v} without help",
        "how do I undo {g}",
        "do I have to {v}",
        "why can't I {v}",
    ),
    "what": ("why is {n} important", "who decides {n}", "how did {n} change over time", "how is {n} measured"),
    "list": ("how many {p} are there", "what is the best of {n}", "who made {n}", "what is the newest of {n}"),
    "count": ("list the {n}", "what is the average size of {n}", "which of the {n} is the largest"),
    "do": ("how do I {v}", "why did you {v}", "don't {v}", "did you {v} yesterday", "never {v}", "when did you {v}"),
    "where": ("when can I {v}", "how do I {v}", "why would I {v}", "who should {v}"),
    "cost": ("where do I get {n}", "who pays for {n}", "is {n} worth it", "why is {n} so expensive"),
}
_DOUBLED = frozenset(
    [
        "stop",
        "get",
        "set",
        "reset",
        "run",
        "put",
        "plan",
        "swap",
        "cut",
        "sit",
        "win",
        "swim",
        "plug",
        "log",
        "drop",
        "transfer",
        "split",
        "quit",
    ]
)

_PLAIN = ("{n}", "list all {n}", "find all {n}", "please show me all {n}")
_ARTICLE = ("what are {n}", "what are all {n}", "which are {n}")
_DETERMINED = ("the ", "my ", "a ", "an ")


def gerund(phrase: str) -> str:
    """The -ing form of a verb phrase: "reset my PIN" to "resetting my PIN"."""
    verb, space, rest = phrase.partition(" ")
    if verb in _DOUBLED:
        return f"{verb}{verb[-1]}ing{space}{rest}"
    if verb.endswith("ie"):
        verb = verb[:-2] + "y"
    elif verb.endswith("e") and not verb.endswith(("ee", "oe", "ye")) and verb != "be":
        verb = verb[:-1]
    return f"{verb}ing{space}{rest}"


def fill(shell: str, phrase: str) -> str:
    """A phrase in a shell; a plural phrase loses or gets its article as the shell wants."""
    plain = phrase.removeprefix("the ").removeprefix("all ")
    noun = plain if shell in _PLAIN else phrase
    if shell in _ARTICLE and not phrase.startswith(_DETERMINED):
        noun = f"the {phrase}"
    return shell.format(v=phrase, g=gerund(phrase) if "{g}" in shell else "", n=noun, p=plain)
