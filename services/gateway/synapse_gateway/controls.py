"""What a request's headers ask of the cache."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping

from google.protobuf import duration_pb2

from synapse.cache.v1 import outcome_pb2
from synapse_gateway.problems import Problem, invalid

_CACHE_CONTROL = b"cache-control"
_FLAGS = {
    b"x-synapse-skip-cache": "skip",
    b"x-synapse-preview-cache": "preview",
    b"x-synapse-passthrough": "passthrough",
}
_NAMES = (_CACHE_CONTROL, *_FLAGS, b"x-synapse-ttl", b"x-synapse-namespace", b"x-synapse-tags", b"x-synapse-max-error")
_DIRECTIVES = {b"no-cache": "no_cache", b"no-store": "no_store", b"only-if-cached": "only_if_cached"}
_AGES = {b"max-age": "max_age", b"stale-if-error": "stale_if_error"}
_TRUTH = {b"true": True, b"1": True, b"yes": True, b"false": False, b"0": False, b"no": False}
_NAMESPACE = re.compile(r"[\x21-\x7e]{1,128}")
_KEY = re.compile(rb"[\x21-\x7e]+")
_MAX_KEY = 4096
_MAX_SECONDS = 10**9
_MAX_TAGS, _MAX_TAG = 16, 64


def read(headers: Mapping[bytes, bytes]) -> outcome_pb2.CacheControl | None:
    """The cache controls of a request; None when it has none. Raises Problem 400 naming the header."""
    if headers.keys().isdisjoint(_NAMES):
        return None
    control = outcome_pb2.CacheControl()
    _standard(headers.get(_CACHE_CONTROL, b""), control)
    for name, field in _FLAGS.items():
        if name in headers:
            setattr(control, field, _truth(name, headers[name]))
    if (ttl := headers.get(b"x-synapse-ttl")) is not None:
        control.ttl.CopyFrom(duration_pb2.Duration(seconds=_seconds("x-synapse-ttl", ttl, least=1)))
    if (namespace := headers.get(b"x-synapse-namespace")) is not None:
        control.namespace = _namespace(namespace)
    if (tags := headers.get(b"x-synapse-tags")) is not None:
        control.tags.extend(_tags(tags))
    if (max_error := headers.get(b"x-synapse-max-error")) is not None:
        control.max_error = _probability(max_error)
    return control


def provider_key(headers: Mapping[bytes, bytes]) -> str | None:
    """The caller's own key for the provider; raises Problem 400, which never shows it."""
    value = headers.get(b"x-synapse-provider-key", b"").strip()
    if not value:
        return None
    if len(value) > _MAX_KEY or not _KEY.fullmatch(value):
        message = f"Invalid header 'x-synapse-provider-key': expected at most {_MAX_KEY} visible ASCII characters."
        raise invalid(message, "x-synapse-provider-key", "invalid_header")
    return value.decode()


def wants_metadata(headers: Mapping[bytes, bytes]) -> bool:
    """Whether `x-synapse-metadata: body` is asked for; raises Problem 400 for another value."""
    value = headers.get(b"x-synapse-metadata")
    if value is None or value.strip().lower() == b"headers":
        return False
    if value.strip().lower() != b"body":
        raise _bad("x-synapse-metadata", "'body' or 'headers'", value)
    return True


def _standard(value: bytes, control: outcome_pb2.CacheControl) -> None:
    """Lay the directives of a standard Cache-Control into `control`; those that are not for us are ignored."""
    for directive in value.lower().split(b","):
        name, _, argument = directive.strip().partition(b"=")
        if field := _DIRECTIVES.get(name.strip()):
            setattr(control, field, True)
        elif age := _AGES.get(name.strip()):
            seconds = _seconds("cache-control", argument.strip(b' "'), least=0)
            getattr(control, age).CopyFrom(duration_pb2.Duration(seconds=seconds))


def _truth(name: bytes, value: bytes) -> bool:
    truth = _TRUTH.get(value.strip().lower())
    if truth is None:
        raise _bad(name.decode(), "'true' or 'false'", value)
    return truth


def _seconds(name: str, value: bytes, *, least: int) -> int:
    text = value.strip()
    if not text.isdigit() or int(text[:12]) < least:
        raise _bad(name, f"a whole number of seconds, at least {least}", value)
    return min(int(text[:12]), _MAX_SECONDS)


def _namespace(value: bytes) -> str:
    text = value.decode("latin-1").strip()
    if not _NAMESPACE.fullmatch(text):
        raise _bad("x-synapse-namespace", "1 to 128 visible characters", value)
    return text


def _tags(value: bytes) -> list[str]:
    tags = [tag.strip() for tag in value.decode("latin-1").split(",")]
    if len(tags) > _MAX_TAGS or not all(0 < len(tag) <= _MAX_TAG and tag.isascii() for tag in tags):
        raise _bad("x-synapse-tags", f"at most {_MAX_TAGS} tags of at most {_MAX_TAG} characters, with commas", value)
    return tags


def _probability(value: bytes) -> float:
    try:
        number = float(value)
    except ValueError:
        number = math.nan
    if not 0 <= number <= 1:
        raise _bad("x-synapse-max-error", "a number from 0 to 1", value)
    return number


def _bad(name: str, expected: str, value: bytes) -> Problem:
    shown = value[:64].decode("latin-1")
    return invalid(f"Invalid header '{name}': expected {expected}, got '{shown}'.", name, "invalid_header")
