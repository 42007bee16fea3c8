"""Wrong settings are refused at the start."""

from __future__ import annotations

import pytest

from synapse_embed.settings import EmbedSettings
from synapse_runtime.settings import Config, SettingsError


def section(**values: object) -> EmbedSettings:
    return Config({"embed": values}, origin="test").section("embed", EmbedSettings)


def test_the_defaults_listen_on_loopback_only() -> None:
    settings = section()
    assert settings.listen.startswith("127.0.0.1:")
    assert settings.probes.startswith("127.0.0.1:")


@pytest.mark.parametrize(
    ("values", "named"),
    [
        ({"max_tokens": 257}, "embed.max_tokens"),
        ({"provider": "magic"}, "embed.provider"),
        ({"workers": 0}, "embed.workers"),
        ({"max_inputs": 3000}, "queue_texts"),
        ({"modeldir": "x"}, "embed.modeldir"),
    ],
)
def test_a_wrong_setting_is_named(values: dict[str, object], named: str) -> None:
    with pytest.raises(SettingsError, match=named):
        section(**values)
