"""Only a known key gets in, as who it is."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from synapse_gateway.keys import KeyRing
from synapse_gateway.problems import Problem
from synapse_gateway.settings import GatewaySettings
from synapse_runtime.identity import Identity, Role
from synapse_runtime.settings import SettingsError

KEYS = [
    {"key": "sk-a", "tenant": "acme", "name": "ci", "role": "viewer", "models": ["gpt-4o", "meta/*"]},
    {"key": "sk-b", "tenant": "beta", "role": "user"},
]


def ring(**settings: Any) -> KeyRing:
    return KeyRing(GatewaySettings.model_validate(settings), lambda: 0.0)


@pytest.mark.parametrize(
    "headers", [{b"authorization": b"Bearer sk-a"}, {b"authorization": b"bearer  sk-a"}, {b"x-api-key": b"sk-a"}]
)
def test_a_key_is_found_as_bearer_or_api_key(headers: dict[bytes, bytes]) -> None:
    assert ring(keys=KEYS).account(headers).identity == Identity("acme", "ci", Role.VIEWER, ("gpt-4o", "meta/*"))


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {b"authorization": b"Bearer "},
        {b"authorization": b"Bearer sk-c"},
        {b"authorization": b"Bearer sk-a-and-more"},
        {b"authorization": b"Basic sk-a"},
        {b"authorization": b"sk-a"},
        {b"x-api-key": b""},
    ],
)
def test_anything_else_is_401(headers: dict[bytes, bytes]) -> None:
    with pytest.raises(Problem) as caught:
        ring(keys=KEYS).account(headers)
    assert (caught.value.status, caught.value.code) == (401, "invalid_api_key")


def test_the_single_key_is_the_default_tenants_admin() -> None:
    account = ring(api_key="sk-one", keys=KEYS).account({b"x-api-key": b"sk-one"})
    assert account.identity == Identity("default", "default", Role.ADMIN)


def test_without_keys_everybody_is_the_default_tenants_admin() -> None:
    assert ring().account({b"authorization": b"Bearer whatever"}).identity.role is Role.ADMIN


@pytest.mark.parametrize("keys", [[KEYS[0], KEYS[0]], [{"key": "sk-one"}]])
def test_the_same_key_twice_is_refused_at_the_start(keys: list[dict[str, Any]]) -> None:
    with pytest.raises(SettingsError, match="twice"):
        ring(api_key="sk-one", keys=[*keys])


def test_roles_have_second_names() -> None:
    assert ring(keys=KEYS).account({b"x-api-key": b"sk-b"}).identity.role is Role.OPERATOR


def test_a_key_asks_only_its_models() -> None:
    account = ring(keys=KEYS).account({b"x-api-key": b"sk-a"})
    account.require_model("meta/llama")
    with pytest.raises(Problem) as caught:
        account.require_model("o3")
    assert caught.value.status == 403


def test_an_empty_key_is_refused() -> None:
    with pytest.raises(ValidationError):
        ring(keys=[{"key": ""}])
