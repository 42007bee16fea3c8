"""What the children see of the environment."""

from __future__ import annotations

from pathlib import Path

from synapse_standalone import settings


def test_children_read_all_settings_from_the_one_file() -> None:
    environ = {"PATH": "p", "REDIS_URL": "r", "SYNAPSE_CACHE__TTL_SECONDS": "1", "SYNAPSE_CONFIG_PATH": "theirs"}
    seen = settings.for_children(environ, Path("ours"), secrets=frozenset())
    assert (seen["PATH"], seen["SYNAPSE_CONFIG_PATH"], seen["PYTHONUNBUFFERED"]) == ("p", "ours", "1")
    assert not seen.keys() & {"REDIS_URL", "SYNAPSE_CACHE__TTL_SECONDS"}


def test_children_do_not_see_the_providers_keys() -> None:
    assert "K" not in settings.for_children({"K": "secret"}, Path("ours"), secrets=frozenset({"K"}))


def test_a_given_file_wins_over_the_variable() -> None:
    environ = {"SYNAPSE_CONFIG_PATH": "a"}
    assert settings.with_config(environ, None)["SYNAPSE_CONFIG_PATH"] == "a"
    assert settings.with_config(environ, Path("b"))["SYNAPSE_CONFIG_PATH"] == "b"
