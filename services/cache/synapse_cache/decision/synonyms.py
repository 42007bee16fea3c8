"""Words and phrases that ask for the same thing in every context we could think of; the rest stays apart."""

_WORD_GROUPS = """
movie film|photo photograph|phone telephone|tv television telly|car automobile|bike bicycle|doctor physician|kid child
big large|begin start commence|purchase buy|modify alter|delete erase|select choose|reply respond|shut close
price cost|wealthy rich|permit allow|mandatory compulsory obligatory|unlawful illegal|lawful legal|require need
approximately roughly|nearly almost|vs versus|information info|examination exam|laboratory lab|mathematics math maths
advertisement advert ad|airplane aeroplane plane aircraft|quick rapid|attorney lawyer
database db|repository repo|directory folder|configuration config|administrator admin|parameter param
postcode zipcode|mom mum|fridge refrigerator|flu influenza|gym gymnasium
colleague coworker|assistance help|assist help|enquire inquire|enquiry inquiry|obtain get|inhabitant resident
garbage rubbish trash|sofa couch|pants trousers|elevator lift|happen occur
difficult hard|hardest toughest|simple easy|simplest easiest|simpler easier|adolescent teenager teen
depart leave|journal periodical|restaurant eatery|prerequisite prereq
characteristic feature|stay remain|frequently often|brave courageous|calm tranquil
""".replace("\n", "|")

_SPELLINGS = """
centre center|theatre theater|fibre fiber|grey gray|tyre tire|programme program|licence license|defence defense
offence offense|cheque check|catalogue catalog|dialogue dialog|aluminium aluminum|jewellery jewelry|mould mold
plough plow|pyjama pajama|practise practice|sceptical skeptical|enrol enroll|fulfil fulfill
instalment installment|judgement judgment|acknowledgement acknowledgment|ageing aging|skilful skillful|draught draft
artefact artifact|maths math|email e-mail|travelled traveled
favourite favorite|travelling traveling|cancelled canceled|cancelling canceling|labelled labeled|modelling modeling
""".replace("\n", "|")

def _groups(text: str) -> dict[str, str]:
    """Each word of a group to the group's first word."""
    out: dict[str, str] = {}
    for group in text.strip("|").split("|"):
        words = group.split()
        for word in words[1:]:
            out.setdefault(word, out.get(words[0], words[0]))
    return out

SPELLINGS = _groups(_SPELLINGS)
SYNONYMS = {word: head for word, head in _groups(_WORD_GROUPS).items() if word != head}

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
new york city = nyc_
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
IS_AFTER = frozenset("what where who how when why that it there here he she this which".split())
