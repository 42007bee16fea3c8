"""The content of a question with its roles: which words, under which prepositions, in which order."""

from __future__ import annotations

from dataclasses import dataclass
from operator import itemgetter

from synapse_cache.decision import lexicon as lex
from synapse_cache.decision.reading import Word
from synapse_cache.decision.stems import form, lemma
from synapse_cache.decision.wordlist import word_set

_SETTINGS = frozenset(("prog", "date", "fmt"))
_OF = "of"
_HEAD = ""
# "between A and B", "than A and B": who comes first may matter.
_ORDERED = frozenset(("between", "from", "to", "than"))
_DETERMINERS = word_set("the a an my your our this that")
_PLACES = word_set("in at on")
_HAVING = word_set("have has having")
_DO = word_set("do does did")
_BE = word_set("is are was were")
_AFTER_NAME = word_set("and or is in on to than versus vs but")
_BOUNDS = {"over": "cmp:gt", "above": "cmp:gt", "under": "cmp:lt", "below": "cmp:lt"}
Chunk = tuple[str, tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class Clause:
    """Content words in comparable views.

    `words`: sorted multiset. `flat`: (head, roles) with "X of Y" turned into "Y X". `chunks`: sorted multiset of
    (connector, words): the phrases may move, those under one connector keep their order;
    `literal` is the same with every preposition as it stands. `settings`: words such as a date or a programming
    language that stand alone of their kind and may stand anywhere. `forms`: inflections by lemma.
    """

    words: tuple[str, ...]
    flat: tuple[tuple[str, ...], tuple[Chunk, ...]]
    chunks: tuple[Chunk, ...]
    literal: tuple[Chunk, ...]
    settings: frozenset[str]
    roles: tuple[str, ...]
    forms: dict[str, frozenset[str]]
    superlative: bool


class _Builder:
    """Collects chunks while the words go by."""

    def __init__(self) -> None:
        self.chunks: list[tuple[str, list[str]]] = []
        self.connector = _HEAD
        self.current: list[str] = []
        self.joined: list[list[str]] = []
        self.extra: list[str] = []
        self.forms: dict[str, set[str]] = {}

    def close(self, connector: str) -> None:
        """End the chunk; what follows stands under `connector`."""
        if self.joined:
            parts = sorted([*self.joined, self.current])
            self.joined, self.current = [], [word for part in parts for word in (*part, "&")]
        if self.current:
            self.chunks.append((self.connector, self.current))
            self.current = []
        self.connector = connector

    def join(self) -> None:
        """Go on behind "and" or "or": another chunk of the same role."""
        if self.current and self.connector != _HEAD and self.connector not in _ORDERED:
            self.joined.append(self.current)
            self.current = []
        elif self.connector not in _ORDERED:
            self.close(self.connector)

    def possessor(self) -> None:
        """Turn "B's A" into A with "of B"."""
        self.chunks.append((_OF, self.current))
        self.current = []

    def add(self, word: Word) -> None:
        """Take a content word into the chunk."""
        if word.sense:
            self.current.append(word.sense)
            return
        stem = lemma(word.plain)
        self.forms.setdefault(stem, set()).add(form(word.plain))
        self.current.append(stem)


def build(words: list[Word], *, kind: str) -> Clause:
    """The clause that `words` make; `kind` is the question's: in a `how` question modals carry nothing."""
    builder = _Builder()
    how = kind.startswith("how")
    owned = kind == "how many" and any(word.plain == "have" for word in words)
    for index, word in enumerate(words):
        before = words[index - 1] if index else None
        after = words[index + 1] if index + 1 < len(words) else None
        if owned and word.plain in _DO and builder.current:  # "how many moons does Saturn have": moons of Saturn
            builder.close(_OF)
            continue
        if not word.sense and _step(builder, word, before, after, how=how):
            continue
        if word.sense == "break":
            builder.close(_HEAD)
            continue
        if _predicates(builder, words, index):
            builder.current.insert(0, word.sense)
            continue
        builder.add(word)
        if word.possessor:
            builder.possessor()
    builder.close(_HEAD)
    return _finish(builder)


def _predicates(builder: _Builder, words: list[Word], index: int) -> bool:
    """Whether a superlative stands behind its noun: "which city is the largest" reads "the largest city"."""
    word = words[index]
    if word.sense[:4] != "cmp:" or not word.sense.endswith("est") or not builder.current or index < 2:
        return False
    before = words[index - 1].plain
    be = words[index - 2].plain if before == "the" else before
    following = words[index + 1] if index + 1 < len(words) else None
    ends = following is None or following.sense == "break" or _connector(following, word, None) is not None
    return be in _BE and ends


def _step(builder: _Builder, word: Word, before: Word | None, after: Word | None, *, how: bool) -> bool:
    """Whether a function word was dealt with."""
    plain = word.plain
    if _is_variable(plain, after):
        builder.add(word)
    elif plain in ("and", "or"):
        builder.extra.extend(("conj:or",) if plain == "or" else ())
        builder.join()
    elif plain in lex.MODALS:
        sense = lex.MODALS[plain]
        builder.extra.extend(() if how and sense in lex.HOW_MODALS else (sense,))
    elif plain in _BOUNDS and after is not None and after.sense[:4] == "num:":
        builder.current.append(_BOUNDS[plain])
    elif (connector := _connector(word, before, after)) is not None:
        builder.close(connector)
    elif plain in ("what", "which"):
        if _is_role(builder.connector) or builder.current:
            builder.close(_HEAD if builder.connector != _HEAD else builder.connector)
    else:
        return plain in lex.DROPPED
    return True


def _is_variable(plain: str, after: Word | None) -> bool:
    """Whether "a" is the name of something ("A or B") and no article."""
    return plain == "a" and (after is None or after.sense[:4] in ("brea", "sym:") or after.plain in _AFTER_NAME)


def _connector(word: Word, before: Word | None, after: Word | None) -> str | None:
    """The role that `word` gives to what follows; None when it is no connector here."""
    plain = word.plain
    if plain == "to":
        return "to" if _is_direction(before, after) else None
    if plain in lex.NEUTRAL_CONNECTORS:
        particle = plain in ("in", "on") and before is not None and before.plain in lex.PARTICLE_VERBS
        return None if particle else plain
    if plain in _HAVING and after is not None and after.sense[:4] in ("num:", "cmp:"):
        return "with"
    connector = lex.ROLE_CONNECTORS.get(plain)
    if connector == "like" and (after is None or after.sense[:4] in ("brea", "date") or after.plain in _PLACES):
        return None  # "what is it like in Paris"
    return "in" if connector == "with" and after is not None and after.sense[:5] == "prog:" else connector


def _is_direction(before: Word | None, after: Word | None) -> bool:
    """Whether "to" leads somewhere; it may also belong to a verb ("how to sort")."""
    if before is None:
        return after is not None and after.plain in _DETERMINERS
    return bool(before.sense) or before.plain not in lex.INFINITIVE_AFTER


def _finish(builder: _Builder) -> Clause:
    chunks = builder.chunks
    words = [word for _, chunk in chunks for word in chunk if word != "&"]
    counts: dict[str, int] = {}
    for word in words:
        category, colon, _ = word.partition(":")
        if colon:
            counts[category] = counts.get(category, 0) + 1
    kept, settings = _without_settings(chunks, counts)
    neutral = [(_OF if connector in lex.NEUTRAL_CONNECTORS else connector, chunk) for connector, chunk in kept]
    return Clause(
        words=tuple(sorted(words + builder.extra)),
        flat=_flatten(kept),
        chunks=_by_connector(neutral),
        literal=_by_connector(kept),
        settings=frozenset(settings),
        roles=tuple(sorted(connector for connector, _ in chunks if _is_role(connector))),
        forms={stem: frozenset(forms) for stem, forms in builder.forms.items()},
        superlative=any(word[:4] == "cmp:" and word.endswith(("est", "most", "least")) for word in words),
    )


def _is_role(connector: str) -> bool:
    return connector != _HEAD and connector not in lex.NEUTRAL_CONNECTORS


def _without_settings(
    chunks: list[tuple[str, list[str]]], counts: dict[str, int]
) -> tuple[list[tuple[str, list[str]]], set[str]]:
    """Take the settings out; what follows one ("in Rust that matches") goes on where the phrase before it stopped."""
    settings: set[str] = set()
    kept: list[tuple[str, list[str]]] = []
    for connector, chunk in chunks:
        if _is_role(connector):
            kept.append((connector, chunk))
            continue
        out = [word for word in chunk if not _is_setting(word, counts)]
        settings.update(word for word in chunk if _is_setting(word, counts))
        opened = connector != _HEAD and _is_setting(chunk[0], counts)
        if out and opened and kept:
            kept[-1] = (kept[-1][0], kept[-1][1] + out)
        elif out:
            kept.append((_HEAD if opened else connector, out))
    return kept, settings


def _is_setting(word: str, counts: dict[str, int]) -> bool:
    category, colon, _ = word.partition(":")
    return bool(colon) and category in _SETTINGS and counts[category] == 1


def _flatten(chunks: list[tuple[str, list[str]]]) -> tuple[tuple[str, ...], tuple[Chunk, ...]]:
    """Head and roles, each with its "of" phrases moved in front: "capital of France" reads "France capital"."""
    segments: list[tuple[str, list[str]]] = [(_HEAD, [])]
    group: list[str] = []
    for connector, chunk in chunks:
        if connector in lex.NEUTRAL_CONNECTORS:
            group = chunk + group
            continue
        segments[-1][1].extend(group)
        group = list(chunk)
        if connector != _HEAD or segments[-1][0] != _HEAD:
            segments.append((connector, []))
    segments[-1][1].extend(group)
    head = tuple(word for connector, chunk in segments if connector == _HEAD for word in chunk)
    return head, _by_connector([row for row in segments if row[0] != _HEAD])


def _by_connector(chunks: list[tuple[str, list[str]]]) -> tuple[Chunk, ...]:
    """Chunks grouped by connector; those under one connector keep their order."""
    return tuple((connector, tuple(chunk)) for connector, chunk in sorted(chunks, key=itemgetter(0)))
