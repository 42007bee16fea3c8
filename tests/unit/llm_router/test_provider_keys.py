"""A backend's key comes from one of three places, and no complaint ever has it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from synapse_llm_router.adapters.provider_keys import key_files, with_keys
from synapse_llm_router.settings import RouterSettings
from synapse_runtime.settings import Config, SettingsError

KEY = "sk-very-secret"


def settings(**backend: Any) -> RouterSettings:
    section = {"backends": [{"name": "a", "endpoint": "http://h", **backend}]}
    return Config({"router": section}, origin="test").section("router", RouterSettings)


def key_of(found: RouterSettings, **environ: str) -> str:
    return with_keys(found, lambda name: environ.get(name, "")).backends[0].api_key.get_secret_value()


def test_a_key_may_stand_in_the_settings() -> None:
    assert key_of(settings(api_key=KEY)) == KEY


def test_a_key_may_be_the_content_of_a_file(tmp_path: Path) -> None:
    (tmp_path / "key").write_text(f"{KEY}\n")
    found = settings(api_key_file=str(tmp_path / "key"))
    assert key_of(found) == KEY
    assert key_files(found) == [tmp_path / "key"]


def test_a_key_may_be_an_environment_variable() -> None:
    assert key_of(settings(api_key_env="OPENAI_API_KEY"), OPENAI_API_KEY=KEY) == KEY


def test_a_backend_may_have_no_key() -> None:
    assert key_of(settings()) == ""


@pytest.mark.parametrize(
    "two",
    [
        {"api_key": KEY, "api_key_env": "K"},
        {"api_key": KEY, "api_key_file": "k"},
        {"api_key_file": "k", "api_key_env": "K"},
    ],
)
def test_a_second_key_is_refused(two: dict[str, str]) -> None:
    with pytest.raises(SettingsError, match="has a key twice") as refusal:
        settings(**two)
    assert KEY not in str(refusal.value)


def test_a_variable_that_is_not_set_is_named() -> None:
    with pytest.raises(SettingsError, match="key of 'a': the variable OPENAI_API_KEY is empty or not set"):
        key_of(settings(api_key_env="OPENAI_API_KEY"))


def test_a_file_that_is_missing_or_empty_is_named(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="cannot read the file"):
        key_of(settings(api_key_file=str(tmp_path / "none")))
    (tmp_path / "empty").write_text(" \n")
    with pytest.raises(SettingsError, match="empty or not set"):
        key_of(settings(api_key_file=str(tmp_path / "empty")))


@given(st.text(min_size=1, max_size=30).map(lambda text: f"sk-{text}"))
def test_settings_with_a_key_are_shown_without_it(key: str) -> None:
    found = settings(api_key=key, headers={"x-other": "hidden-header"})
    shown = f"{found!r} {found} {found.model_dump_json()} {found.model_dump(mode='json')}"
    assert "hidden-header" not in shown
    assert "sk-" not in shown


@pytest.mark.parametrize("key", ["sk-a\nb", "sk-\N{BLACK HEART SUIT}", "sk-a\x00"])
def test_a_key_that_cannot_be_sent_is_refused_unseen(key: str) -> None:
    with pytest.raises(SettingsError, match="cannot be sent") as refusal:
        key_of(settings(api_key=key))
    assert key not in str(refusal.value)
