"""Every word that `x-synapse-reason` may say is one that operators can look up."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import synapse_cache
from synapse_cache.adapters import questions
from synapse_cache.decision import VetoReason
from synapse_cache.explaining.reasons import PASSTHROUGH, VETO, WHY
from synapse_cache.privacy.freshness import Freshness

PACKAGE = Path(synapse_cache.__file__).parent
DOCS = PACKAGE.parents[2] / "docs" / "reasons.md"
POSITIONS = {"Miss": 0, "Verdict": 1, "Outcome": 1, "Hit": 3}
"""Where the reason stands among the arguments of what says one."""
KEYWORDS = {"exact_only_reason", "uncacheable_reason"}
ASKED_FOR_ONE = {"_why_not", "_uncacheable", "_private_reason"}
WITHIN = {"undecided"}
"""Said between the halves of a lookup, and replaced before anybody else hears of it."""


def modules() -> Iterator[tuple[Any, ast.Module]]:
    for path in sorted(PACKAGE.rglob("*.py")):
        if path.name not in {"__init__.py", "__main__.py"}:
            name = ".".join(("synapse_cache", *path.relative_to(PACKAGE).with_suffix("").parts))
            yield import_module(name), ast.parse(path.read_text())


def words(node: ast.AST, module: Any) -> Iterator[str]:
    """The string constants in an expression, its own or those it names, but for what is only compared or looked up."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield node.value
    elif isinstance(node, ast.IfExp):
        yield from (*words(node.body, module), *words(node.orelse, module))
    elif isinstance(node, ast.BoolOp):
        for part in node.values:
            yield from words(part, module)
    elif isinstance(node, ast.Tuple):
        for part in node.elts:
            yield from words(part, module)
    elif isinstance(node, ast.Name) and isinstance(found := getattr(module, node.id, None), str):
        yield found
    elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
        found = getattr(getattr(module, node.value.id, None), node.attr, None)
        if isinstance(found, str):
            yield str(found)


def said(node: ast.AST, module: Any) -> Iterator[str]:
    """The reasons that one piece of code says."""
    if isinstance(node, ast.Call):
        yield from of_call(node, module)
    elif isinstance(node, ast.FunctionDef) and node.name in ASKED_FOR_ONE:
        for inner in ast.walk(node):
            if isinstance(inner, ast.Return) and inner.value is not None:
                yield from words(inner.value, module)
    elif isinstance(node, ast.Assign):
        names = {one.id for target in node.targets for one in ast.walk(target) if isinstance(one, ast.Name)}
        if "trouble" in names:
            yield from words(node.value, module)


def of_call(node: ast.Call, module: Any) -> Iterator[str]:
    """The reasons among the arguments of a call."""
    name = getattr(node.func, "id", "")
    if name in POSITIONS and len(node.args) > POSITIONS[name]:
        yield from words(node.args[POSITIONS[name]], module)
    decides = name == "replace" and module.__name__.startswith("synapse_cache.decision.")
    for keyword in node.keywords:
        if keyword.arg in KEYWORDS or (decides and keyword.arg == "reason"):
            yield from words(keyword.value, module)


def in_code() -> set[str]:
    found = {word for module, tree in modules() for node in ast.walk(tree) for word in said(node, module)}
    found |= {name for name, _ in questions._EXACT_ONLY}
    found |= {freshness.value for freshness in Freshness} - {Freshness.STATIC.value}
    return found | {f"{VETO}{reason}" for reason in VetoReason}


def in_docs() -> set[str]:
    return set(re.findall(r"^\| `([a-z_]+)` \|", DOCS.read_text(), re.MULTILINE))


def test_the_words_are_found_in_the_code() -> None:
    """Else the other claims would hold of nothing."""
    assert {"exact", "alias", "verified", "above_bar", "no_candidate", "stale_if_error", "personal_state"} <= in_code()
    assert {"probing", "redis_unavailable", "hedged", "tools", "daily", "veto_number", "skip", "shadow"} <= in_code()
    assert in_code() >= WITHIN


def test_every_word_of_the_code_is_documented_and_no_other() -> None:
    assert in_docs() == in_code() - WITHIN - {""}


def test_every_documented_word_is_explained_to_people_too() -> None:
    assert {word for word in in_docs() if not word.startswith(VETO)} == set(WHY)


def test_the_prefix_of_what_is_only_watched_is_documented() -> None:
    assert f"`{PASSTHROUGH}" in DOCS.read_text()
