"""Who may ask: the keys of the settings, compared in constant time, and the account behind each."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable, Mapping

from synapse_gateway.limits import Limits, Meter
from synapse_gateway.problems import Problem
from synapse_gateway.settings import ApiKey, GatewaySettings
from synapse_runtime.identity import Identity, Role
from synapse_runtime.settings import SettingsError

_NOBODY = bytes(32)


class Account:
    """What stands behind a key: its identity and its meter."""

    def __init__(self, identity: Identity, meter: Meter) -> None:
        self.identity = identity
        self.meter = meter

    def may_ask(self, model: str) -> bool:
        """Whether the key may use this model."""
        return self.identity.may_ask(model)

    def require_model(self, model: str) -> None:
        """Raise Problem 403 when the key may not use this model."""
        if not self.may_ask(model):
            message = f"This key may not use the model '{model}'."
            raise Problem(
                403, message, kind="permission_error", param="model", code="model_not_allowed", fault="policy_denied"
            )


class KeyRing:
    """Finds the account of a request by its key. Without any key everybody is the admin of the tenant "default"."""

    def __init__(self, settings: GatewaySettings, clock: Callable[[], float]) -> None:
        limits = Limits(
            requests_per_second=settings.rate_limit_rps,
            burst=settings.rate_limit_burst,
            tokens_per_minute=settings.rate_limit_tpm,
            max_concurrent=settings.max_concurrent_requests_per_key,
        )
        self._accounts: dict[bytes, tuple[bytes, Account]] = {}
        for key in all_keys(settings):
            digest = _digest(key.key.get_secret_value().encode())
            if digest in self._accounts:
                raise SettingsError(f"gateway.keys: the key of {key.name or key.tenant!r} is there twice")
            identity = Identity(key.tenant, key.name or key.tenant, key.role, key.models)
            self._accounts[digest] = (digest, Account(identity, Meter(limits, clock())))
        everybody = Identity("default", "everybody", Role.ADMIN)
        self._open = None if self._accounts else Account(everybody, Meter(limits, clock()))

    def account(self, headers: Mapping[bytes, bytes]) -> Account:
        """The account that the request's headers name; raises Problem 401.

        The key is looked up by its SHA-256, so that the time taken tells nothing of any key's text.
        """
        if self._open is not None:
            return self._open
        presented = _presented(headers)
        digest = _digest(presented)
        stored, account = self._accounts.get(digest, (_NOBODY, None))
        if hmac.compare_digest(stored, digest) and account is not None:
            return account
        told = "The API key is not valid." if presented else "No API key was given: send 'Authorization: Bearer KEY'."
        raise Problem(401, told, code="invalid_api_key", fault="caller_unauthenticated")


def all_keys(settings: GatewaySettings) -> list[ApiKey]:
    """Every key of the settings, the single one included."""
    if not settings.api_key.get_secret_value():
        return list(settings.keys)
    return [ApiKey(key=settings.api_key, name="default", role=Role.ADMIN), *settings.keys]


def _presented(headers: Mapping[bytes, bytes]) -> bytes:
    scheme, _, token = headers.get(b"authorization", b"").partition(b" ")
    if scheme.lower() == b"bearer" and token.strip():
        return token.strip()
    return headers.get(b"x-api-key", b"").strip()


def _digest(key: bytes) -> bytes:
    return hashlib.sha256(key).digest()
