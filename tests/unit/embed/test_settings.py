"""Wrong settings are refused at the start."""

from __future__ import annotations

import pytest

from synapse_embed.settings import EmbedSettings
from synapse_runtime.settings import Config, SettingsError

OPENAI = {"endpoint": "http://x", "model": "m", "max_tokens": 512}
TRITON = {"endpoint": "x:8001", "model": "m", "max_tokens": 512}


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
        ({"provider": "tei"}, "needs the section embed.tei"),
        ({"tei": {"endpoint": "tei:80"}}, "embed.tei.endpoint"),
        ({"tei": {"endpoint": "http://u:p@tei"}}, "api_key"),
        ({"openai": {"endpoint": "http://x", "model": "m"}}, "embed.openai.max_tokens"),
        ({"openai": {"endpoint": "grpc://x", "model": "m", "max_tokens": 512}}, "embed.openai.endpoint"),
        ({"triton": {"endpoint": "http://x:1", "model": "m", "max_tokens": 512}}, "embed.triton.endpoint"),
        ({"triton": {**TRITON, "inputs": "tokens"}}, "needs tokenizer"),
        ({"triton": {**TRITON, "pooling": "mean"}}, "pooling here needs inputs=tokens"),
        ({"tei": {"endpoint": "http://x", "api_key": "k\n"}}, "embed.tei.api_key.*end of a line"),
        ({"openai": {**OPENAI, "headers": {"x-a": "\r\n"}}}, "embed.openai.headers.x-a"),
        ({"openai": {**OPENAI, "headers": {"x a": "b"}}}, "embed.openai.headers"),
        ({"rerank": {"provider": "tei"}}, "embed.rerank"),
        ({"rerank": {"provider": "openai", "endpoint": "http://x"}}, "needs model"),
    ],
)
def test_a_wrong_setting_is_named(values: dict[str, object], named: str) -> None:
    with pytest.raises(SettingsError, match=named):
        section(**values)


def test_a_key_is_not_shown() -> None:
    settings = section(tei={"endpoint": "http://tei:80/", "api_key": "secret"})
    assert "secret" not in repr(settings)
    assert settings.tei is not None
    assert settings.tei.endpoint == "http://tei:80"
