"""Identities are taken only with the mesh secret's signature, and only for their time."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time

import pytest

from synapse_runtime.errors import PermissionDenied, Unauthenticated
from synapse_runtime.identity import Identity, Role, TokenSigner, TokenVerifier

ACME = Identity("acme", "key-1", Role.OPERATOR)


@pytest.fixture
def signer():
    return TokenSigner("secret")


@pytest.fixture
def verifier():
    return TokenVerifier("secret")


def signed(payload):
    body = base64.urlsafe_b64encode(payload).decode()
    return f"{body}.{hmac.new(b'secret', body.encode(), hashlib.sha256).hexdigest()}"


def refusal(verifier, token):
    with pytest.raises(Unauthenticated) as raised:
        verifier.identity(token)
    return raised.value.reason


@pytest.mark.parametrize("identity", [ACME, Identity("ü:{}.\n", "é.é"), Identity("", "", Role.ADMIN)])
def test_a_signed_identity_comes_back(signer, verifier, identity):
    assert verifier.identity(signer.token(identity)) == identity


def test_a_token_is_plain_ascii_on_one_line(signer):
    token = signer.token(Identity("ü\n", "\0"))
    assert token.isascii()
    assert token.isprintable()


def test_a_token_is_reused_and_differs_by_identity(signer):
    assert signer.token(ACME) == signer.token(ACME)
    assert signer.token(ACME) != signer.token(Identity("acme", "key-1", Role.ADMIN))


def test_another_secret_is_forgery(verifier):
    assert refusal(verifier, TokenSigner("other").token(ACME)) == "IDENTITY_FORGED"


def test_a_changed_body_is_forgery(signer, verifier):
    _, _, mac = signer.token(ACME).rpartition(".")
    body = base64.urlsafe_b64encode(json.dumps(["evil", "x", "admin", time.time() + 60]).encode()).decode()
    assert refusal(verifier, f"{body}.{mac}") == "IDENTITY_FORGED"


@pytest.mark.parametrize("token", [".", "x", "x.y", "é.é", "." * 100, " "])
def test_nonsense_is_forgery(verifier, token):
    assert refusal(verifier, token) == "IDENTITY_FORGED"


@pytest.mark.parametrize("payload", [b"", b"{}", b"[]", b'["a","b","emperor",9e9]', b'["a","b","admin","x"]', b"\xff"])
def test_what_a_peer_of_another_version_signed_is_refused(verifier, payload):
    assert refusal(verifier, signed(payload)) == "IDENTITY_MALFORMED"


def test_an_expired_token_is_refused(signer, verifier):
    assert refusal(verifier, signer.token(ACME, lifetime_seconds=-1)) == "IDENTITY_EXPIRED"


def test_a_token_expires_even_when_it_was_good_before(signer, verifier):
    token = signer.token(ACME, lifetime_seconds=0.05)
    assert verifier.identity(token) == ACME
    time.sleep(0.06)
    assert refusal(verifier, token) == "IDENTITY_EXPIRED"


def test_models_travel_with_the_identity(signer, verifier):
    limited = Identity("acme", "key-2", Role.VIEWER, ("gpt-4o", "meta/*"))
    assert verifier.identity(signer.token(limited)) == limited


def test_only_its_models_may_be_asked():
    limited = Identity("acme", "key-2", models=("gpt-4o", "meta/*"))
    assert limited.may_ask("meta/llama-3")
    assert ACME.may_ask("anything")
    with pytest.raises(PermissionDenied, match="may not use the model 'o3'"):
        limited.require_model("o3")
