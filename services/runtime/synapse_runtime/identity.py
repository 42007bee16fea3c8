"""Who a call is made for and what it may ask, and the short-lived signed token that carries it between services."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from collections import OrderedDict
from dataclasses import dataclass
from enum import StrEnum
from fnmatch import fnmatchcase
from typing import TypeVar

from synapse_runtime.errors import PermissionDenied, Unauthenticated

_K = TypeVar("_K")
_V = TypeVar("_V")

METADATA_KEY = "x-synapse-identity"
TOKEN_SECONDS = 60.0
_RENEW_SECONDS = 30.0
_CACHED_TOKENS = 10_000


class Role(StrEnum):
    """What a credential may do: everything, operate the cache, or ask questions and read statistics."""

    ADMIN = "admin"
    OPERATOR = "operator"
    VIEWER = "viewer"


@dataclass(frozen=True, slots=True)
class Identity:
    """Who a call is made for: the tenant, the credential's name, its role and its models.

    `models` are names with `*` for any text; empty means all.
    """

    tenant: str
    subject: str
    role: Role = Role.VIEWER
    models: tuple[str, ...] = ()

    def may_ask(self, model: str) -> bool:
        """Whether the credential may use this model."""
        return not self.models or any(fnmatchcase(model, pattern) for pattern in self.models)

    def require_model(self, model: str) -> None:
        """Raise PermissionDenied when the credential may not use this model."""
        if not self.may_ask(model):
            message = f"This key may not use the model '{model}'."
            raise PermissionDenied(message, reason="MODEL_NOT_ALLOWED", metadata={"param": "model"})


class TokenSigner:
    """Signs identities with the mesh secret; a token is reused for half of its life."""

    def __init__(self, secret: str) -> None:
        self._secret = secret.encode()
        self._cached: OrderedDict[Identity, tuple[float, str]] = OrderedDict()

    def token(self, identity: Identity, *, lifetime_seconds: float = TOKEN_SECONDS) -> str:
        """A token for `identity`, valid for `lifetime_seconds` or at least half of the default."""
        now = time.time()
        if lifetime_seconds == TOKEN_SECONDS:
            known = self._cached.get(identity)
            if known is not None and known[0] > now:
                return known[1]
        facts = [identity.tenant, identity.subject, identity.role, now + lifetime_seconds, *identity.models]
        payload = json.dumps(facts)
        body = base64.urlsafe_b64encode(payload.encode()).decode()
        token = f"{body}.{_mac(self._secret, body)}"
        if lifetime_seconds == TOKEN_SECONDS:
            _remember(self._cached, identity, (now + _RENEW_SECONDS, token))
        return token


class TokenVerifier:
    """Reads identities out of tokens signed with the mesh secret."""

    def __init__(self, secret: str) -> None:
        self._secret = secret.encode()
        self._known: OrderedDict[str, tuple[float, Identity]] = OrderedDict()

    def identity(self, token: str) -> Identity:
        """The identity in `token`; raises Unauthenticated when it is forged, malformed or expired."""
        now = time.time()
        known = self._known.get(token)
        if known is None:
            known = self._read(token)
            _remember(self._known, token, known)
        expires, identity = known
        if expires <= now:
            raise Unauthenticated("the identity token has expired", reason="IDENTITY_EXPIRED")
        return identity

    def _read(self, token: str) -> tuple[float, Identity]:
        body, _, mac = token.rpartition(".")
        if not hmac.compare_digest(_mac(self._secret, body).encode(), mac.encode()):
            raise Unauthenticated("the identity token is not signed with the mesh secret", reason="IDENTITY_FORGED")
        try:
            tenant, subject, role, expires, *models = json.loads(base64.urlsafe_b64decode(body))
            return float(expires), Identity(tenant, subject, Role(role), tuple(models))
        except ValueError as error:  # signed by a peer of another version
            raise Unauthenticated("the identity token cannot be read", reason="IDENTITY_MALFORMED") from error


def _mac(secret: bytes, body: str) -> str:
    return hmac.new(secret, body.encode(), hashlib.sha256).hexdigest()


def _remember(cache: OrderedDict[_K, _V], key: _K, value: _V) -> None:
    cache[key] = value
    if len(cache) > _CACHED_TOKENS:
        cache.popitem(last=False)
