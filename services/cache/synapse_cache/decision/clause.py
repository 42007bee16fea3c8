"""The content of a question with its roles: which words, under which prepositions, in which order."""

from dataclasses import dataclass
from operator import itemgetter

from . import lexicon as lex
from .reading import Word
from .stems import form, lemma

_SETTINGS = frozenset(("prog", "date", "fmt"))
_NEUTRAL = "of"
_HEAD = ""
# "between A and B", "than A and B": who comes first may matter.
_ORDERED = frozenset(("between", "from", "to", "than"))
_DETERMINERS = frozenset("the a an my your our this that".split())
_BE = frozenset("is are was were".split())
_BOUNDS = {"over": "cmp:gt", "above": "cmp:gt", "under": "cmp:lt", "below": "cmp:lt"}
Chunk = tuple[str, tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class Clause:
    """Content words in three views.

    `words`: sorted multiset. `flat`: (head, roles) with "X of Y" turned into "Y X". `chunks`: sorted multiset of
    (connector, words): the phrases may move, those under one connector keep their order. `forms`: inflections by lemma.
    """

    words: tuple[str, ...]
    flat: tuple[tuple[str, ...], tuple[Chunk, ...]]
    chunks: tuple[Chunk, ...]
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
        self.chunks.append((_NEUTRAL, self.current))
        self.current = []

    def add(self, word: Word) -> None:
        """Take a content word into the chunk."""
        if word.sense:
            self.current.append(word.sense)
            return
        stem = lemma(word.plain)
        self.forms.setdefault(stem, set()).add(form(word.plain))
        self.current.append(stem)


def build(words: list[Word], *, how: bool) -> Clause:
    """The clause that `words` make; in a `how` question modals carry nothing."""
    builder = _Builder()
    for index, word in enumerate(words):
        before = words[index - 1] if index else None
        after = words[index + 1] if index + 1 < len(words) else None
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
    if plain in ("and", "or"):
        if plain == "or":
            builder.extra.append("conj:or")
        builder.join()
        return True
    if plain in lex.MODALS:
        sense = lex.MODALS[plain]
        if not (how and sense in lex.HOW_MODALS):
            builder.extra.append(sense)
        return True
    if plain in _BOUNDS and after is not None and after.sense[:4] == "num:":
        builder.current.append(_BOUNDS[plain])
        return True
    connector = _connector(word, before, after)
    if connector is not None:
        builder.close(connector)
        return True
    if plain in ("what", "which", "who", "whom", "whose"):
        if not builder.current and builder.connector == _NEUTRAL:
            return True
        if plain in ("what", "which") and builder.connector != _HEAD:
            builder.close(_HEAD)
        return True
    return plain in lex.DROPPED


def _connector(word: Word, before: Word | None, after: Word | None) -> str | None:
    """The role that `word` gives to what follows; None when it is no connector here."""
    plain = word.plain
    if plain == "to":
        if before is None:
            return "to" if after is not None and after.plain in _DETERMINERS else None
        if not before.sense and before.plain in lex.INFINITIVE_AFTER:
            return None
        return "to"
    if plain in ("in", "on") and before is not None and before.plain in lex.PARTICLE_VERBS:
        return None
    if plain in lex.NEUTRAL_CONNECTORS:
        return _NEUTRAL
    connector = lex.ROLE_CONNECTORS.get(plain)
    if connector == "with" and after is not None and after.sense[:5] == "prog:":
        return _NEUTRAL
    return connector


def _finish(builder: _Builder) -> Clause:
    chunks = builder.chunks
    words = [word for _, chunk in chunks for word in chunk if word != "&"]
    counts: dict[str, int] = {}
    for word in words:
        category = word.partition(":")[0]
        counts[category] = counts.get(category, 0) + 1
    settings: set[str] = set()
    kept: list[tuple[str, list[str]]] = []
    for connector, chunk in chunks:
        if connector in (_HEAD, _NEUTRAL):
            out = [word for word in chunk if not _is_setting(word, counts)]
            settings.update(word for word in chunk if _is_setting(word, counts))
            if out:
                kept.append((connector, out))
        else:
            kept.append((connector, chunk))
    return Clause(
        words=tuple(sorted(words + builder.extra)),
        flat=_flatten(kept),
        chunks=_by_connector(kept),
        settings=frozenset(settings),
        roles=tuple(sorted(connector for connector, _ in chunks if connector not in (_HEAD, _NEUTRAL))),
        forms={stem: frozenset(forms) for stem, forms in builder.forms.items()},
        superlative=any(word[:4] == "cmp:" and word.endswith(("est", "most", "least")) for word in words),
    )


def _is_setting(word: str, counts: dict[str, int]) -> bool:
    category = word.partition(":")[0]
    return category in _SETTINGS and counts[category] == 1


def _flatten(chunks: list[tuple[str, list[str]]]) -> tuple[tuple[str, ...], tuple[Chunk, ...]]:
    """Head and roles, each with its "of" phrases moved in front: "capital of France" reads "France capital"."""
    segments: list[tuple[str, list[str]]] = [(_HEAD, [])]
    group: list[str] = []
    for connector, chunk in chunks:
        if connector == _NEUTRAL:
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
