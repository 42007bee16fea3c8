"""Pairs and prompts of the permissive sets; every set's licence and source stands in docs/model-card.md.

Quora's texts (QQP, PAWS) are never read here.
"""

from __future__ import annotations

import json
import random
from collections import defaultdict
from pathlib import Path
from typing import Any

from scripts.verifier.pairs import Pair

PAIR_SETS = ("minimal", "fow_pairs", "checklist_qqp", "text2sql")
INTENT_SETS = ("banking77", "clinc150")
HELD_SHARE = 0.3
SAME_TEMPLATE = 0.65


def _rows(data: Path, name: str, kind: str) -> list[dict[str, Any]]:
    with (data / name / f"{kind}.dev.jsonl").open() as file:
        return [json.loads(line) for line in file]


def _allowed(name: str, row: dict[str, Any]) -> bool:
    """Of text2sql only the Advising part may be trained on."""
    return name != "text2sql" or str(row["category"]).startswith("advising")


def group_of(name: str, row: dict[str, Any]) -> str:
    """What must not straddle a split: CheckList's tests are one group each."""
    group = str(row["group"])
    return f"{name}:{group.split('#', maxsplit=1)[0] if name == 'checklist_qqp' else group}"


def held_out(group: str, seed: int = 0) -> bool:
    """Whether a group is kept from training, to measure on; the same for a group at every call."""
    return random.Random(f"{seed}:{group}").random() < HELD_SHARE  # noqa: S311  # no secret


def labelled(data: Path) -> list[Pair]:
    """The labelled pairs that may be trained on."""
    pairs: list[Pair] = []
    for name in PAIR_SETS:
        rows = (row for row in _rows(data, name, "pairs") if _allowed(name, row))
        pairs += [Pair(row["a"], row["b"], int(row["label"]), name, group_of(name, row)) for row in rows]
    return pairs


def prompts(data: Path) -> dict[str, list[tuple[str, str]]]:
    """Prompts by set as (text, group): bases for edits."""
    found: dict[str, list[tuple[str, str]]] = defaultdict(list)
    for name in (*INTENT_SETS, "text2sql"):
        for row in _rows(data, name, "prompts"):
            if _allowed(name, row):
                found[name].append((row["text"], group_of(name, row)))
    for pair in labelled(data):
        if pair.family == "fow_pairs":
            found["fow_pairs"] += [(pair.a, pair.group), (pair.b, pair.group)]
    return dict(found)


def _overlap(a: str, b: str) -> float:
    one, two = set(a.lower().split()), set(b.lower().split())
    return len(one & two) / max(1, len(one | two))


def intents(data: Path, name: str, rng: random.Random, count: int) -> list[Pair]:
    """Pairs of intents: near wordings of one intent are repeats, near wordings of two are not.

    Of a dozen random partners the one that shares most words is taken; wordings of one intent that differ in a
    digit are left out, since their answers differ. The two of a pair are both held out or both not.
    """
    by: dict[str, list[str]] = defaultdict(list)
    for row in _rows(data, name, "prompts"):
        by[f"{name}:{row['cls']}"].append(row["text"])
    classes = sorted(by)
    held = {cls: held_out(cls) for cls in classes}
    pairs: list[Pair] = []
    while len(pairs) < count:
        cls = rng.choice(classes)
        text, label = rng.choice(by[cls]), int(rng.random() < 0.5)
        if label:
            partners = rng.sample(by[cls], 8)
        else:
            partners = [
                rng.choice(by[other])
                for other in rng.choices([c for c in classes if c != cls and held[c] == held[cls]], k=24)
            ]
        best = max((partner for partner in partners if partner != text), key=lambda partner: _overlap(text, partner))
        if label and [c for c in text if c.isdigit()] != [c for c in best if c.isdigit()]:
            continue
        pairs.append(Pair(text, best, label, name, cls))
    return pairs


def same_query(data: Path, rng: random.Random, count: int) -> list[Pair]:
    """Pairs of Advising questions: one query and its wordings, its template with other values, or one that reads alike.

    The two of a pair are both held out or both not.
    """
    by: dict[str, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    for row in _rows(data, "text2sql", "prompts"):
        if _allowed("text2sql", row):
            by[f"text2sql:{row['group']}"][row["cls"]].append(row["text"])
    groups = sorted(by)
    sides: dict[bool, list[tuple[str, str]]] = defaultdict(list)
    for group in groups:
        sides[held_out(group)] += [(group, text) for _, texts in sorted(by[group].items()) for text in texts]
    pairs: list[Pair] = []
    while len(pairs) < count:
        group = rng.choice(groups)
        label = len(pairs) % 2
        classes = [cls for cls, texts in sorted(by[group].items()) if len(texts) > label]
        if not classes:
            continue
        cls = rng.choice(classes)
        a = rng.choice(by[group][cls])
        if label:
            b = rng.choice(by[group][cls])
        elif len(by[group]) > 1 and rng.random() < SAME_TEMPLATE:
            b = rng.choice(by[group][rng.choice(sorted(set(by[group]) - {cls}))])
        else:
            b = _most_alike(a, [text for other, text in rng.choices(sides[held_out(group)], k=30) if other != group])
        if a != b:
            pairs.append(Pair(a, b, label, "text2sql", group))
    return pairs


def _most_alike(text: str, others: list[str]) -> str:
    return max(others, key=lambda other: _overlap(text, other))
