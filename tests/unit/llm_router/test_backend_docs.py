"""The configurations in docs/backends are valid and have an adapter."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from synapse_llm_router.adapters.build import upstream_of
from synapse_llm_router.settings import RouterSettings
from synapse_runtime.settings import Config

PAGES = sorted((Path(__file__).parents[3] / "docs/backends").glob("*.md"))
BLOCKS = [
    (page.stem, text)
    for page in PAGES
    for text in re.findall(r"```json\n(\{\"router\".*?)```", page.read_text(), re.DOTALL)
]


@pytest.mark.parametrize(("page", "text"), BLOCKS)
async def test_a_configuration_of_the_docs_works(page: str, text: str) -> None:
    settings = Config(json.loads(text), origin=page).section("router", RouterSettings)
    for backend in settings.backends:
        await upstream_of(backend).close()


def test_the_pages_show_configurations() -> None:
    assert {"ollama", "tgi", "custom"} <= {page for page, _ in BLOCKS}
