"""Phrases and contractions that say in several words what another wording says in fewer."""

from __future__ import annotations

from synapse_cache.decision.wordlist import word_set

_PHRASES = """
united states of america = usa_
the united states = usa_
united states = usa_
the us = usa_
the usa = usa_
usa = usa_
united kingdom = uk_
great britain = uk_
the uk = uk_
uk = uk_
united arab emirates = uae_
european union = eu_
in us = in usa_
in america = in usa_
new york city = nyc_
mac os x = macos
mac os = macos
os x = macos
highest mountain = tallest mountain
highest building = tallest building
least difficult = easiest
most difficult = hardest
least expensive = cheapest
most recent = latest
stand for = mean
stands for = mean
that have = with
that has = with
which have = with
which has = with
who have = with
who has = with
us dollar = usd
usa dollar = usd
usa dollars = usd
how long is = what is the length of
most number of = most
largest number of = most
highest number of = most
greatest number of = most
maximum number of = most
least number of = fewest
smallest number of = fewest
lowest number of = fewest
us dollars = usd
american dollars = usd
pounds sterling = gbp
pound sterling = gbp
british pounds = gbp
british pound = gbp
sterling = gbp
japanese yen = jpy
swiss franc = chf
swiss francs = chf
indian rupees = inr
per cent = percent
square metre = sqm
capital city = capital
c sharp = c#
c plus plus = c++
node js = node.js
go lang = golang
regular expression = regex
regular expressions = regex
regexp = regex
sql server = sqlserver
visual studio code = vscode
vs code = vscode
operating system = os
two factor authentication = 2fa
2 factor authentication = 2fa
two step verification = 2sv
public transportation = public transport
date of birth = birth date
birthday = birth date
birthdate = birth date
phone number = phonenumber
telephone number = phonenumber
artificial intelligence = ai
machine learning = ml
motion picture = movie
cell phone = mobile
mobile phone = mobile
credit cards = credit card
post code = postcode
zip code = zipcode
a lot of = many
lots of = many
plenty of = many
a number of = several
which one = which
which ones = which
each of = each
all of = all
some of = some
any of = any
one of = one_of
no longer = neg_nolonger
not anymore = neg_nolonger
used to = past_usedto
have to = must
has to = must
had to = must
need to = must
needs to = must
got to = must
ought to = should
able to = can
allowed to = mayallow
permitted to = mayallow
going to = will
in order to = to
so as to = to
as well as = and
along with = with
together with = with
by means of = with
with the help of = with
by using = with
because of = because
due to = because
owing to = because
prior to = before
subsequent to = after
such as = like
rather than = instead_of
instead of = instead_of
out of = from
more than = cmp_gt
greater than = cmp_gt
higher than = cmp_gt_
larger than = cmp_gt_
bigger than = cmp_gt_
in excess of = cmp_gt
less than = cmp_lt
fewer than = cmp_lt
lower than = cmp_lt_
smaller than = cmp_lt_
no more than = cmp_le
not more than = cmp_le
at most = cmp_le
up to = cmp_le
no less than = cmp_ge
no fewer than = cmp_ge
not less than = cmp_ge
at least = cmp_ge
in table form = fmt_table
in table format = fmt_table
in tabular form = fmt_table
in tabular format = fmt_table
in a table = fmt_table
as a table = fmt_table
in the form of a table = fmt_table
in json = fmt_json
in json format = fmt_json
in json form = fmt_json
as json = fmt_json
in a json format = fmt_json
in yaml = fmt_yaml
as yaml = fmt_yaml
in yaml format = fmt_yaml
in csv format = fmt_csv
as csv = fmt_csv
in xml format = fmt_xml
in xml = fmt_xml
as xml = fmt_xml
in markdown = fmt_markdown
in markdown format = fmt_markdown
as markdown = fmt_markdown
as bullet points = fmt_bullets
in bullet points = fmt_bullets
using bullet points = fmt_bullets
with bullet points = fmt_bullets
as a bulleted list = fmt_bullets
as a bullet list = fmt_bullets
single = one
in the world = worldwide
on earth = worldwide
from lowest to highest = ascending
from smallest to largest = ascending
from highest to lowest = descending
from largest to smallest = descending
in ascending order = ascending
in increasing order = ascending
in descending order = descending
in decreasing order = descending
largest first = descending
biggest first = descending
highest first = descending
smallest first = ascending
lowest first = ascending
which city is the capital = what is the capital
what city is the capital = what is the capital
which town is the capital = what is the capital
definition of = meaning of
type of = kind of
types of = kind of
sort of = kind of
sorts of = kind of
kinds of = kind of
near me = nearby
near here = nearby
close by = nearby
close to me = nearby
right now = now
at the moment = now
at present = now
at what time = when
what time = when
is it possible to = can i
is it possible for me to = can i
would it be possible to = can i
am i able to = can i
a couple of = two
as soon as possible = asap
no one = nobody
how come = why
for what reason = why
what is the reason = why
what are the reasons = why
what is the reason that = why
what is the way to = how
what are the steps to = how
what are the steps for = how
what steps do i take to = how
what is the process for = how
what is the process to = how
what is the procedure for = how
what is the procedure to = how
what do i need to do to = how
what do i do to = how
what should i do to = how
what must i do to = how
what do i have to do to = how
in what way = how
in which way = how
by what means = how
how do i go about = how
how would i go about = how
how should i go about = how
how can i go about = how
how to go about = how
how much time = how long
what is the number of = how many
what number of = how many
what is the total number of = how many
the number of = how many
the total number of = how many
number of = how many
in what location = where
in which location = where
at what place = where
what is the location of = where is
how tall is = what is the height of
how high is = what is the height of
how heavy is = what is the weight of
how deep is = what is the depth of
how wide is = what is the width of
how old is = what is the age of
how populous is = what is the population of
how many people live in = what is the population of
how many people lived in = what was the population of
how many inhabitants live in = what is the population of
how many inhabitants does = what is the population of
how many people are there in = what is the population of
how many people are living in = what is the population of
how many residents live in = what is the population of
what does it mean = what means
"""


def _phrases(text: str) -> dict[str, tuple[tuple[tuple[str, ...], tuple[str, ...]], ...]]:
    """Phrases by first word, longest first: ((words, replacement), ...)."""
    out: dict[str, list[tuple[tuple[str, ...], tuple[str, ...]]]] = {}
    for line in text.strip().splitlines():
        left, _, right = line.partition(" = ")
        words = tuple(left.split())
        out.setdefault(words[0], []).append((words, tuple(right.split())))
    return {first: tuple(sorted(rows, key=lambda row: -len(row[0]))) for first, rows in out.items()}


PHRASES = _phrases(_PHRASES)
# What a phrase leaves behind when it is no plain word.
MARKERS = {
    "usa_": "name:usa",
    "uk_": "name:uk",
    "uae_": "name:uae",
    "eu_": "name:eu",
    "nyc_": "name:nyc",
    "2fa": "id:2fa",
    "2sv": "id:2sv",
    "neg_nolonger": "neg:nolonger",
    "past_usedto": "past:usedto",
    "mayallow": "mod:allowed",
    "cmp_gt": "cmp:gt",
    "cmp_lt": "cmp:lt",
    "cmp_gt_": "cmp:gt",
    "cmp_lt_": "cmp:lt",
    "cmp_le": "cmp:le",
    "cmp_ge": "cmp:ge",
    "fmt_table": "fmt:table",
    "fmt_json": "fmt:json",
    "fmt_yaml": "fmt:yaml",
    "fmt_csv": "fmt:csv",
    "fmt_xml": "fmt:xml",
    "fmt_markdown": "fmt:markdown",
    "fmt_bullets": "fmt:bullets",
    "instead_of": "neg:insteadof",
    "one_of": "one_of",
    "because": "because",
}
CONTRACTIONS = {
    "can't": ("can", "not"),
    "cannot": ("can", "not"),
    "cant": ("can", "not"),
    "won't": ("will", "not"),
    "shan't": ("shall", "not"),
    "ain't": ("is", "not"),
    "wont": ("will", "not"),
    "couldnt": ("could", "not"),
    "wouldnt": ("would", "not"),
    "shouldnt": ("should", "not"),
    "wasnt": ("was", "not"),
    "werent": ("were", "not"),
    "arent": ("are", "not"),
    "hasnt": ("has", "not"),
    "havent": ("have", "not"),
    "ive": ("i", "have"),
    "dont": ("do", "not"),
    "doesnt": ("does", "not"),
    "didnt": ("did", "not"),
    "isnt": ("is", "not"),
    "i'm": ("i", "am"),
    "im": ("i", "am"),
    "let's": ("let", "us"),
    "whats": ("what", "is"),
    "wheres": ("where", "is"),
    "hows": ("how", "is"),
    "whos": ("who", "is"),
    "wanna": ("want", "to"),
    "gonna": ("going", "to"),
    "gotta": ("must",),
    "o'clock": (),
}
# After these, 's is "is"; after any other word it marks a possessor.
IS_AFTER = word_set("what where who how when why that it there here he she this which")
