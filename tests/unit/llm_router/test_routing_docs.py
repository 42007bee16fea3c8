"""The example of docs/routing.md is a configuration that the router takes, and names every setting of routing."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from synapse_llm_router.settings import (
    BreakerSettings,
    FallbackSettings,
    HealthSettings,
    RetrySettings,
    RouterSettings,
    TargetSettings,
)
from synapse_runtime.settings import Config

PAGE = (Path(__file__).resolve().parents[3] / "docs" / "routing.md").read_text()
EXAMPLE: dict[str, Any] = json.loads(re.findall(r"```json\n(.*?)```", PAGE, re.DOTALL)[0])


def test_the_example_is_taken() -> None:
    settings = Config(EXAMPLE, origin="docs").section("router", RouterSettings)
    assert [route.model for route in settings.routes] == ["llama", "chat"]


@pytest.mark.parametrize("section", [BreakerSettings, FallbackSettings, HealthSettings, RetrySettings, TargetSettings])
def test_every_setting_of_routing_is_in_the_example(section: type[Any]) -> None:
    text = json.dumps(EXAMPLE)
    assert [name for name in section.model_fields if f'"{name}":' not in text] == []


def test_what_the_example_writes_out_are_the_defaults() -> None:
    router = EXAMPLE["router"]
    assert BreakerSettings(**router["breaker"]) == BreakerSettings()
    assert RetrySettings(**router["retries"]) == RetrySettings()
