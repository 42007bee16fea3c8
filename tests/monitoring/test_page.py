"""docs/monitoring.md names what there is."""

from __future__ import annotations

import re

import pytest

from tests.monitoring.declared import labels
from tests.monitoring.promql import family
from tests.monitoring.sources import PAGE

TEXT = PAGE.read_text()
LINKS = [found for found in re.findall(r"\]\(([^)\s]+)\)", TEXT) if "://" not in found]


def anchors(text: str) -> set[str]:
    """Where links into a page may lead: its headings, as they are turned into anchors."""
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_every_metric_that_it_names_exists() -> None:
    named = set(re.findall(r"`(synapse_\w+)", TEXT))
    assert {name for name in named if family(name) not in labels() and not name.endswith("_")} == set()


def test_every_label_that_it_names_exists() -> None:
    for name, inside in re.findall(r"`(synapse_\w+)\{([^}]*)\}", TEXT):
        assert {part.split("=")[0] for part in inside.split(",")} <= labels()[name]


@pytest.mark.parametrize("link", sorted(set(LINKS)))
def test_every_link_leads_somewhere(link: str) -> None:
    path, _, anchor = link.partition("#")
    target = PAGE.parent / path if path else PAGE
    assert target.is_file()
    assert not anchor or anchor in anchors(target.read_text())
