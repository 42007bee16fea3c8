"""The training mixture: frames, edits of permissive prompts, and the permissive sets themselves."""

from __future__ import annotations

import random
from dataclasses import dataclass
from pathlib import Path

from scripts.verifier import corpora, operators
from scripts.verifier.edits import edit
from scripts.verifier.frames import Family, Sampler, families
from scripts.verifier.pairs import Pair
from scripts.verifier.schema import Questions

# Shares of the mixture; a family named in `without` gets none.
SHARES = {
    "frames": 0.40, "schema": 0.10, "edits": 0.14, "minimal": 0.08, "fow_pairs": 0.03, "checklist_qqp": 0.05,
    "text2sql": 0.10,
    "banking77": 0.05, "clinc150": 0.05,
}  # fmt: skip
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


def synthetic(rng: random.Random, count: int, label_share: float = 0.5) -> list[Pair]:
    """Pairs of the frames, varied on their surface."""
    sampler = Sampler(rng)
    known = families()
    weights = [len(family.meanings) * (LOGIC_WEIGHT if _is_logic(family) else 1) for family in known]
    pairs: list[Pair] = []
    while len(pairs) < count:
        family = rng.choices(known, weights)[0]
        label = int(rng.random() < label_share)
        if rng.random() < COMPOUND_SHARE:
            pair = sampler.compound(family, label)
        else:
            pair = sampler.positive(family) if label else sampler.negative(family)
        varied = _varied(pair, rng)
        if varied is not None:
            pairs.append(varied)
    return pairs


def _is_logic(family: Family) -> bool:
    return any(mark in form.text for mark in _LOGIC for form in family.meanings[0])


def _schema(rng: random.Random, count: int) -> list[Pair]:
    questions = Questions(rng)
    pairs: list[Pair] = []
    while len(pairs) < count:
        varied = _varied(questions.pair(int(rng.random() < 0.5)), rng)
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
    """The shuffled training set; without `data` only frames and edits of frames."""
    rng = random.Random(recipe.seed)  # noqa: S311  # no secret
    shares = {name: share for name, share in SHARES.items() if name not in recipe.without}
    if data is None:
        shares = {name: share for name, share in shares.items() if name in ("frames", "edits", "schema")}
    scale = recipe.count / sum(shares.values())
    counts = {name: round(share * scale) for name, share in shares.items()}
    pairs = synthetic(rng, counts.get("frames", 0))
    pairs += _schema(rng, counts.get("schema", 0))
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
    bases = [(pair.a, pair.group) for pair in (sampler.positive(rng.choice(families())) for _ in range(2000))]
    if data is not None:
        for name, rows in corpora.prompts(data).items():
            if name not in recipe.without:
                bases += [row for row in rows if not (recipe.held and corpora.held_out(row[1]))]
    return bases


def _permissive(rng: random.Random, data: Path, counts: dict[str, int], recipe: Recipe) -> list[Pair]:
    """The labelled sets: every pair once, then again with varied surfaces until the share is full."""
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
        for turn in range(counts.get(name, 0)):
            pair = rows[turn % len(rows)] if turn < len(rows) else rng.choice(rows)
            again = _varied(pair, rng) if turn >= len(rows) else pair
            found.append(again or pair)
    return found
