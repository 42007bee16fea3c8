"""Things with several names, and the categories by which a veto names its reason."""

from __future__ import annotations

from synapse_cache.decision.wordlist import word_list


def _table(category: str, lines: str) -> dict[str, str]:
    """Spellings to `category:first spelling`; one group a line, spellings parted by commas."""
    out: dict[str, str] = {}
    for line in lines.strip().splitlines():
        group = [spelling.strip() for spelling in line.split(",")]
        out.update(dict.fromkeys(group, f"{category}:{group[0]}"))
    return out


UNITS = _table(
    "unit",
    """
    mm, millimetre, millimetres, millimeter, millimeters
    cm, centimetre, centimetres, centimeter, centimeters
    metre, metres, meter, meters
    km, kms, kilometre, kilometres, kilometer, kilometers
    mile, miles
    inch, inches
    foot, feet, ft
    yard, yards
    mg, milligram, milligrams
    gram, grams, gm
    kg, kgs, kilo, kilos, kilogram, kilograms, kilogramme, kilogrammes
    tonne, tonnes
    ton, tons
    lb, lbs
    oz, ounce, ounces
    ml, millilitre, millilitres, milliliter, milliliters
    litre, litres, liter, liters
    gallon, gallons
    celsius, centigrade, °c
    fahrenheit, °f
    kelvin
    ms, millisecond, milliseconds
    seconds, sec, secs
    minute, minutes, min, mins
    hour, hours, hr, hrs
    day, days
    week, weeks
    fortnight, fortnights
    month, months
    year, years, yr, yrs
    decade, decades
    century, centuries
    kb, kilobyte, kilobytes
    mb, megabyte, megabytes
    gb, gigabyte, gigabytes
    tb, terabyte, terabytes
    mph
    kph, kmh, km/h
    hz, hertz
    watt, watts
    kwh
    volt, volts
    usd, $, dollar, dollars
    eur, €, euro, euros
    gbp, £
    jpy, ¥, yen
    inr, ₹, rupee, rupees
    chf
    cny, yuan, renminbi
    cent, cents
    pence
    percent, %
    degree, degrees
    word, words
    sentence, sentences
    paragraph, paragraphs
    line, lines
    """,
)

DATES = _table(
    "date",
    """
    monday, mondays
    tuesday, tuesdays
    wednesday, wednesdays
    thursday, thursdays
    friday, fridays
    saturday, saturdays
    sunday, sundays
    weekend, weekends
    weekday, weekdays
    january, jan
    february, feb
    march
    april, apr
    june
    july
    august, aug
    september, sept
    october, oct
    november, nov
    december, dec
    spring
    summer
    autumn
    winter
    today
    tomorrow
    tonight
    yesterday
    morning, mornings
    afternoon, afternoons
    evening, evenings
    noon, midday
    midnight
    night, nights
    pm
    now, currently
    christmas
    easter
    """,
)

LANGUAGES = _table(
    "lang",
    "\n".join(
        word_list(
            "english french german spanish italian portuguese russian chinese mandarin cantonese japanese korean "
            "arabic hindi bengali urdu turkish polish dutch swedish norwegian danish finnish greek hebrew latin "
            "vietnamese thai indonesian malay ukrainian czech slovak hungarian romanian bulgarian serbian croatian "
            "persian farsi swahili tamil telugu irish welsh catalan"
        )
    ),
)

PROGRAMMING = _table(
    "prog",
    """
    python
    java
    javascript, js
    typescript, ts
    c++, cpp
    c#, csharp
    f#
    .net, dotnet
    golang
    rust
    ruby
    php
    perl
    scala
    kotlin
    haskell
    elixir
    erlang
    clojure
    julia
    matlab
    fortran
    cobol
    bash
    powershell
    sql
    mysql
    postgresql, postgres
    sqlite
    mongodb, mongo
    redis
    react, react.js, reactjs
    angular
    vue, vue.js, vuejs
    django
    flask
    fastapi
    numpy
    pandas
    pytorch
    tensorflow
    node.js, nodejs
    html
    css
    docker
    kubernetes, k8s
    linux
    windows
    macos
    android
    ios
    """,
)

FORMATS = _table(
    "fmt",
    """
    json
    yaml
    xml
    csv
    markdown
    table, tabular
    bullet, bullets, bulleted
    pdf
    essay
    poem
    haiku
    """,
)

COMPARATIVES = _table(
    "cmp",
    """
    more
    less
    fewer
    most
    least
    fewest
    better
    worse
    best
    worst
    larger, bigger
    largest, biggest
    smaller
    smallest, littlest, tiniest
    higher
    highest
    lower
    lowest
    taller
    tallest
    shorter
    shortest
    longer
    longest
    older
    oldest
    younger
    youngest
    newer
    newest
    cheaper
    cheapest
    faster
    fastest, quickest
    slower
    slowest
    first
    last
    earlier
    earliest
    later
    latest
    maximum, max
    minimum
    only
    ascending
    descending
    """,
)

ENTITIES = _table(
    "name",
    """
    usa
    uk
    uae
    eu
    nyc
    mumbai, bombay
    kolkata, calcutta
    chennai, madras
    beijing, peking
    istanbul
    paracetamol, acetaminophen
    epinephrine, adrenaline
    """,
)

CATEGORIES: dict[str, str] = {**ENTITIES, **COMPARATIVES, **FORMATS, **LANGUAGES, **DATES, **UNITS, **PROGRAMMING}
