"""Labelled pairs as the decision sees them: screened, with cosine and the shipped verifier's logit."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scripts.verifier import corpora, yardstick
from scripts.verifier.embedding import embed

from synapse_cache.decision import analyse, screen

Matrix = NDArray[np.float64]
Logit = Callable[[str, str], float | None]
"""The verifier's logit of (stored, asked)."""
STREAMS = ("minimal", "text2sql", "banking77", "clinc150")
_NEIGHBOURS = 12
_LOWEST_COSINE = 0.7
_MOST_REQUESTS = 1_500
_SEEDS = range(4)


@dataclass(frozen=True, slots=True)
class Scored:
    """Pairs (n,) of one source: what the texts settle, logit, cosine and whether they deserve the same answer.

    `unseen` marks those whose group no training saw.
    """

    name: str
    sure: NDArray[np.bool_]
    final: NDArray[np.bool_]
    logits: Matrix
    cosines: Matrix
    same: NDArray[np.bool_]
    unseen: NDArray[np.bool_]

    @property
    def open(self) -> NDArray[np.bool_]:
        """Those that the verifier has to settle."""
        return ~(self.sure | self.final)

    def where(self, chosen: NDArray[np.bool_]) -> Scored:
        """The chosen pairs alone."""
        return Scored(
            self.name, self.sure[chosen], self.final[chosen], self.logits[chosen], self.cosines[chosen],
            self.same[chosen], self.unseen[chosen],
        )  # fmt: skip


def pair_sets(quality: Path, logit_of: Logit) -> list[Scored]:
    """The yardstick's labelled pairs, dev halves; of text2sql both the part that may be fitted and the rest."""
    tools, found = yardstick.yard(quality), []
    for name in yardstick.SETS:
        rows = tools.load(name, "pairs", "dev")
        groups = [corpora.group_of(name, row) for row in rows]
        unseen = [_unseen(name, row, group) for row, group in zip(rows, groups, strict=True)]
        texts = sorted({row[side] for row in rows for side in "ab"})
        vectors = dict(zip(texts, embed(texts), strict=True))
        pairs = [(row["a"], row["b"], float(vectors[row["a"]] @ vectors[row["b"]])) for row in rows]
        scored = score(name, pairs, [bool(row["label"]) for row in rows], unseen, logit_of)
        found.append(scored)
        if name == "text2sql":
            advising = np.array([str(row["category"]).startswith("advising") for row in rows])
            found += [rename(scored.where(advising), "advising")]
    return found


def rename(scored: Scored, name: str) -> Scored:
    """The same pairs under another name."""
    return replace(scored, name=name)


def _unseen(name: str, row: dict[str, Any], group: str) -> bool:
    if name in ("paws_qqp", "qqp") or (name == "text2sql" and not str(row["category"]).startswith("advising")):
        return True
    return corpora.held_out(group)


def score(
    name: str,
    pairs: Sequence[tuple[str, str, float]],
    same: Sequence[bool],
    unseen: Sequence[bool],
    logit_of: Logit,
) -> Scored:
    """Screen and score (stored, asked, cosine) pairs; what the verifier cannot see all of is final."""
    screened = [screen(analyse(asked), analyse(stored)) for stored, asked, _ in pairs]
    logits = [logit_of(stored, asked) for stored, asked, _ in pairs]
    unseeable = np.array([logit is None for logit in logits])
    sure = np.array([one.sure for one in screened])
    return Scored(
        name,
        sure,
        np.array([one.final is not None for one in screened]) | (unseeable & ~sure),
        np.array([0.0 if logit is None else logit for logit in logits]),
        np.array([cosine for *_, cosine in pairs]),
        np.array(same),
        np.array(unseen),
    )


def first_candidates(rows: Sequence[dict[str, Any]], name: str, logit_of: Logit) -> Scored:
    """What an empty cache has to judge: for every request its best open candidate among earlier ones."""
    texts = [row["text"] for row in rows]
    vectors = embed(texts)
    cosines = vectors @ vectors.T
    found: list[tuple[str, str, float]] = []
    same: list[bool] = []
    for seed in _SEEDS:
        stored: list[int] = []
        for request in np.random.default_rng(seed).permutation(len(rows)).tolist():
            near = sorted(stored, key=lambda one: -cosines[one, request])[:8]  # used at once
            near = [one for one in near if cosines[one, request] >= _LOWEST_COSINE]
            settled = [one for one in near if screen(analyse(texts[request]), analyse(texts[one])).sure]
            if settled:
                continue
            stored.append(request)
            best = _best(texts, request, near, logit_of)
            if best is not None:
                found.append((texts[best], texts[request], float(cosines[best, request])))
                same.append(rows[best]["cls"] == rows[request]["cls"])
    return score(name, found, same, [True] * len(found), logit_of)


def _best(texts: Sequence[str], request: int, near: Sequence[int], logit_of: Logit) -> int | None:
    logits = {one: logit_of(texts[one], texts[request]) for one in near[:4]}
    known = [one for one, logit in logits.items() if logit is not None]
    return max(known, key=lambda one: logits[one] or 0.0, default=None)


def unseen_requests(
    quality: Path, name: str, *, permissive: bool = False, everything: bool = False
) -> list[dict[str, Any]]:
    """Requests of a stream whose groups no training saw; with `permissive`, of text2sql only what may be fitted.

    With `everything` the whole dev half, seen or not.
    """
    rows = []
    for row in yardstick.yard(quality).load(name, "prompts", "dev"):
        foreign = name == "text2sql" and row["category"] != "advising"
        if everything or (foreign and not permissive) or (not foreign and corpora.held_out(f"{name}:{row['group']}")):
            rows.append(row)
    return rows[:_MOST_REQUESTS]
