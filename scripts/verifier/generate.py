"""The training mixture: frames, edits of permissive prompts, and the permissive sets themselves."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from scripts.verifier import corpora, operators
from scripts.verifier.domains import Tables
from scripts.verifier.edits import edit
from scripts.verifier.frames import Family, Sampler, families
from scripts.verifier.pairs import Pair
from scripts.verifier.schema import Questions
from scripts.verifier.word_order import Orders

# Shares of the mixture; a family named in `without` gets none.
SHARES = {
    "frames": 0.22, "open": 0.19, "domains": 0.15, "schema": 0.02, "word_order": 0.09, "edits": 0.09, "minimal": 0.05,
    "fow_pairs": 0.02, "checklist_qqp": 0.03, "text2sql": 0.08, "banking77": 0.03, "clinc150": 0.03,
}  # fmt: skip
# What is written here and needs no data.
WRITTEN = ("frames", "open", "domains", "schema", "word_order", "edits")
COMPOUND_SHARE = 0.05
# Families about roles, degrees and polarity are few; their patterns are the hardest to learn.
LOGIC_WEIGHT = 4
_LOGIC = ("{comp", "{opp", "{syn", "{verb3", "{verbt", "{wrelation", "{adj}", "if I {act}", "is {name}")


@dataclass(frozen=True, slots=True)
class Recipe:
    """What a training set is made of; `held`: groups of the permissive sets stay out by `corpora.held_out`."""

    count: int
    seed: int = 0
    without: frozenset[str] = frozenset()
    held: bool = True


def synthetic(rng: random.Random, count: int, name: str = "frames") -> list[Pair]:
    """Pairs of the frames of a file, varied on their surface."""
    sampler = Sampler(rng)
    known = families(f"{name}.txt")
    weights = [len(family.meanings) * (LOGIC_WEIGHT if _is_logic(family) else 1) for family in known]
    pairs: list[Pair] = []
    while len(pairs) < count:
        family = rng.choices(known, weights)[0]
        label = int(rng.random() < 0.5)
        if rng.random() < COMPOUND_SHARE:
            pair = sampler.compound(family, label)
        else:
            pair = sampler.positive(family) if label else sampler.negative(family)
        varied = _varied(pair, rng)
        if varied is not None:
            pairs.append(replace(varied, family=name))
    return pairs


def _is_logic(family: Family) -> bool:
    return any(mark in form.text for mark in _LOGIC for form in family.meanings[0])


def _drawn(rng: random.Random, count: int, draw: Callable[[int], Pair]) -> list[Pair]:
    """Pairs of one source, varied on their surface; `draw` takes the label."""
    pairs: list[Pair] = []
    while len(pairs) < count:
        varied = _varied(draw(int(rng.random() < 0.5)), rng)
        pairs += [varied] if varied else []
    return pairs


def _varied(pair: Pair, rng: random.Random) -> Pair | None:
    """The pair, its texts changed on the surface; None when both came out equal."""
    a, b = operators.vary(pair.a, rng), operators.vary(pair.b, rng)
    if a.lower() == b.lower() or (pair.label == 0 and pair.a.lower() == pair.b.lower()):
        return None
    return Pair(a, b, pair.label, pair.family, pair.group)


def edited(rng: random.Random, bases: list[tuple[str, str]], count: int) -> list[Pair]:
    """Single edits of given prompts (another answer) and their surface variants (the same)."""
    pairs: list[Pair] = []
    while len(pairs) < count:
        text, group = rng.choice(bases)
        label = int(rng.random() < 0.45)
        target = text if label else edit(text, rng)
        if target is None or len(text) > 200:
            continue
        strength = 0.8 if label else rng.choice((0.0, 0.5))
        b = operators.vary(target, rng, strength=strength) if strength or rng.random() < 0.5 else target
        a = operators.vary(text, rng, strength=0.5) if rng.random() < 0.4 else text
        if a.lower() != b.lower():
            pairs.append(Pair(a, b, label, "edits", group))
    return pairs


def make(recipe: Recipe, data: Path | None) -> list[Pair]:
    """The shuffled training set; without `data` only what is written here."""
    rng = random.Random(recipe.seed)  # noqa: S311  # no secret
    shares = {name: share for name, share in SHARES.items() if name not in recipe.without}
    if data is None:
        shares = {name: share for name, share in shares.items() if name in WRITTEN}
    scale = recipe.count / sum(shares.values())
    counts = {name: round(share * scale) for name, share in shares.items()}
    pairs = synthetic(rng, counts.get("frames", 0)) + synthetic(rng, counts.get("open", 0), "open")
    for name, source in (("schema", Questions(rng)), ("domains", Tables(rng)), ("word_order", Orders(rng))):
        pairs += _drawn(rng, counts.get(name, 0), source.pair)
    if "edits" in counts:
        pairs += edited(rng, _bases(rng, data, recipe), counts["edits"])
    if data is not None:
        pairs += _permissive(rng, data, counts, recipe)
    rng.shuffle(pairs)
    return [pair if rng.random() < 0.5 else pair.swapped() for pair in pairs]


def _kept(pairs: list[Pair], recipe: Recipe) -> list[Pair]:
    return [pair for pair in pairs if not (recipe.held and corpora.held_out(pair.group))]


def _bases(rng: random.Random, data: Path | None, recipe: Recipe) -> list[tuple[str, str]]:
    sampler = Sampler(rng)
    known = [family for name in ("frames.txt", "open.txt", "word_order.txt") for family in families(name)]
    bases = [(pair.a, pair.group) for pair in (sampler.positive(rng.choice(known)) for _ in range(2000))]
    bases += [(pair.a, pair.group) for pair in (Tables(rng).pair(1) for _ in range(500))]
    if data is not None:
        for name, rows in corpora.prompts(data).items():
            if name not in recipe.without:
                bases += [row for row in rows if not (recipe.held and corpora.held_out(row[1]))]
    return bases


def _permissive(rng: random.Random, data: Path, counts: dict[str, int], recipe: Recipe) -> list[Pair]:
    """The labelled sets: as many repeats as near misses until the share is full."""
    found: list[Pair] = []
    labelled = _kept(corpora.labelled(data), recipe)
    for name in corpora.INTENT_SETS:
        if name in counts:
            found += _kept(corpora.intents(data, name, rng, counts[name]), recipe)
    if "text2sql" in counts:
        found += _kept(corpora.same_query(data, rng, counts["text2sql"] // 2), recipe)
        counts = counts | {"text2sql": counts["text2sql"] // 2}
    for name in corpora.PAIR_SETS:
        rows = [pair for pair in labelled if pair.family == name]
        found += balanced(rng, rows, counts.get(name, 0))
    return found


def balanced(rng: random.Random, rows: list[Pair], count: int) -> list[Pair]:
    """As many repeats as near misses: every pair as it is, then again with a varied surface."""
    found: list[Pair] = []
    for label in (0, 1):
        of = [pair for pair in rows if pair.label == label]
        rng.shuffle(of)
        for turn in range(count // 2 if of else 0):
            pair = of[turn % len(of)]
            found.append((_varied(pair, rng) if turn >= len(of) else None) or pair)
    return found
