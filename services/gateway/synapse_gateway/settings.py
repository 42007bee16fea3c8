"""Settings of the gateway: where it listens, who may ask, and how much."""

from __future__ import annotations

from typing import Annotated

from pydantic import BeforeValidator, Field, SecretStr

from synapse_runtime.identity import Role
from synapse_runtime.settings import Section

_ROLE_ALIASES = {"user": Role.OPERATOR, "readonly": Role.VIEWER}


def _role(value: object) -> object:
    return _ROLE_ALIASES.get(value, value) if isinstance(value, str) else value


class ApiKey(Section):
    """One key, and whose it is."""

    key: SecretStr = Field(min_length=1)
    """What the caller sends as its bearer token."""
    tenant: str = Field(default="default", pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$")
    """Whose cache it uses: tenants never see each other's answers."""
    name: str = Field(default="", max_length=128)
    """Name of the key in logs; empty means the tenant's."""
    role: Annotated[Role, BeforeValidator(_role)] = Role.VIEWER
    """admin, operator or viewer; `user` and `readonly` are other names of the last two."""
    models: tuple[str, ...] = ()
    """Models that it may ask, as names with `*` for any text; empty means all."""


class GatewaySettings(Section):
    """How the HTTP edge behaves."""

    listen: str = Field(default="127.0.0.1:8080", pattern=r"^.*:\d{1,5}$")
    """host:port to serve HTTP on. Beyond loopback it needs a key."""
    check_listen: str = Field(default="", pattern=r"^$|^.*:\d{1,5}$")
    """host:port where Envoy asks who a caller is (ext_authz); empty offers no check. For the mesh, not for clients."""
    api_key: SecretStr = SecretStr("")
    """One key for the tenant "default", with the role admin."""
    keys: tuple[ApiKey, ...] = ()
    """Further keys."""
    rate_limit_rps: float = Field(default=0.0, ge=0)
    """Requests a second that each key may make; 0 means any."""
    rate_limit_burst: int = Field(default=0, ge=0)
    """Requests that a key may make at once; 0 means one second's worth."""
    rate_limit_tpm: int = Field(default=0, ge=0)
    """Tokens a minute that each key may have backends use; hits are free; 0 means any."""
    max_concurrent_requests: int = Field(default=1000, ge=1)
    """Requests in flight in this process, streams until their end."""
    max_concurrent_requests_per_key: int = Field(default=0, ge=0)
    """Requests in flight of each key; 0 means any."""
    max_body_bytes: int = Field(default=32 * 1024 * 1024, ge=1024, le=60 * 1024 * 1024)
    """Largest body of a request."""
    request_timeout_seconds: float = Field(default=600.0, gt=0)
    """Time for a whole request, a stream's end included."""
    admin_timeout_seconds: float = Field(default=30.0, gt=0)
    """Time for a request of the admin API."""
    detours: bool = True
    """Whether the llm-router is asked where no replica of the cache can be reached; otherwise that is a 503."""
    ready_timeout_seconds: float = Field(default=2.0, gt=0)
    """How long /ready waits for the cache service, and then for the llm-router where `detours` is on."""
    ping_seconds: float = Field(default=15.0, gt=0)
    """A stream that is silent for so long gets a comment line, so that proxies keep it."""
    metrics_public: bool = True
    """Whether /metrics needs no key."""
