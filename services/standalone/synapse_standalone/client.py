"""The running mesh as the command line asks it: answers, streams, statistics, backends, configuration."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.client import HTTPException, HTTPResponse
from typing import Any

from synapse_standalone.errors import EXIT_FAILED, CommandError

_ANSWER_SECONDS = 600.0
_STATS_SECONDS = 10.0
_MODELS_SECONDS = 5.0
_ADMIN_SECONDS = 30.0
STATUS_HEADER = "x-synapse-cache-status"
ENTRY_HEADER = "x-synapse-entry-id"
REQUEST_HEADER = "x-request-id"


def stats(endpoint: Mapping[str, Any]) -> dict[str, Any]:
    """What the cache did since it started."""
    with _opened(endpoint, "/api/v1/stats", timeout=_STATS_SECONDS) as response:
        found: dict[str, Any] = json.load(response)
    return found


def backends(endpoint: Mapping[str, Any]) -> list[dict[str, Any]]:
    """How the backends are doing."""
    with _opened(endpoint, "/api/v1/backends", timeout=_ADMIN_SECONDS) as response:
        return list(json.load(response).get("backends") or ())


def models(endpoint: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The models that can be asked."""
    with _opened(endpoint, "/v1/models", timeout=_ADMIN_SECONDS) as response:
        return list(json.load(response).get("data") or ())


def configuration(endpoint: Mapping[str, Any]) -> dict[str, Any]:
    """The configuration that the router uses, secrets masked."""
    with _opened(endpoint, "/admin/config", timeout=_ADMIN_SECONDS) as response:
        found: dict[str, Any] = json.load(response)
    return found


def reload(endpoint: Mapping[str, Any], *, validate_only: bool) -> dict[str, Any]:
    """Let the router read its configuration anew; returns what changed."""
    body = {"validate_only": validate_only}
    with _opened(endpoint, "/admin/config/reload", timeout=_ADMIN_SECONDS, body=body) as response:
        found: dict[str, Any] = json.load(response)
    return found


def admin(endpoint: Mapping[str, Any], verb: str, path: str, body: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """The reply of the admin API to `verb` on `path`."""
    with _opened(endpoint, path, timeout=_ADMIN_SECONDS, body=body, verb=verb) as response:
        found: dict[str, Any] = json.load(response)
    return found


def first_model(endpoint: Mapping[str, Any]) -> str:
    """A model that can be asked; empty when none is listed."""
    with _opened(endpoint, "/v1/models", timeout=_MODELS_SECONDS) as response:
        listed = json.load(response).get("data") or [{}]
    return str(listed[0].get("id", ""))


def ask(
    endpoint: Mapping[str, Any], question: str, *, stream: bool, model: str | None = None, ids: bool = False
) -> Iterator[str]:
    """The answer in pieces, one when not streamed; then, as the last piece, a line that says where it came from.

    With `ids`, it says by what ids feedback names the answer, too.
    """
    body = {"model": model or endpoint["model"], "messages": [{"role": "user", "content": question}], "stream": stream}
    with _opened(endpoint, "/v1/chat/completions", timeout=_ANSWER_SECONDS, body=body) as response:
        yield from _deltas(response) if stream else _whole(response)
        yield f"\n[{_origin(response)}]\n"
        if ids:
            yield f"[{_ids(response)}]\n"


def _whole(response: HTTPResponse) -> Iterator[str]:
    message = json.load(response)["choices"][0]["message"]
    yield message.get("content") or json.dumps(message)


def _deltas(response: HTTPResponse) -> Iterator[str]:
    for line in response:
        data = line.strip().removeprefix(b"data:").strip()
        if not line.startswith(b"data:") or data == b"[DONE]":
            continue
        event = json.loads(data)
        if "error" in event:
            raise CommandError(str(event["error"].get("message", event["error"])), status=EXIT_FAILED)
        for choice in event.get("choices") or ():
            yield choice.get("delta", {}).get("content") or ""


def _origin(response: HTTPResponse) -> str:
    facts = [response.headers.get(STATUS_HEADER, "no cache status")]
    if similarity := response.headers.get("x-synapse-similarity"):
        facts.append(f"similarity {similarity}")
    if reason := response.headers.get("x-synapse-reason"):
        facts.append(reason)
    return ", ".join(facts)


def _ids(response: HTTPResponse) -> str:
    headers = response.headers
    return f"entry {headers.get(ENTRY_HEADER, 'none')}, request {headers.get(REQUEST_HEADER, 'none')}"


@contextmanager
def _opened(
    endpoint: Mapping[str, Any],
    path: str,
    *,
    timeout: float,
    body: Mapping[str, Any] | None = None,
    verb: str | None = None,
) -> Iterator[HTTPResponse]:
    """The reply to a JSON body, or to none; raises CommandError."""
    data = None if body is None else json.dumps(body).encode()
    with opened(endpoint, path, timeout=timeout, data=data, verb=verb) as response:
        yield response


@contextmanager
def opened(
    endpoint: Mapping[str, Any],
    path: str,
    *,
    timeout: float,
    data: bytes | None = None,
    headers: Mapping[str, str] | None = None,
    verb: str | None = None,
) -> Iterator[HTTPResponse]:
    """A reply of the gateway; raises CommandError in its words when it refuses, and when it breaks off."""
    usual = {"authorization": f"Bearer {endpoint['key']}", "content-type": "application/json"}
    request = urllib.request.Request(  # noqa: S310  # the URL is ours
        endpoint["url"] + path, data=data, headers={**usual, **(headers or {})}, method=verb
    )
    try:
        with urllib.request.urlopen(request, timeout=timeout) as response:  # noqa: S310
            yield response
    except urllib.error.HTTPError as error:
        raise CommandError(f"the gateway says {error.code}: {_message(error)}", status=EXIT_FAILED) from error
    except (OSError, HTTPException, ValueError) as error:
        raise CommandError(f"the gateway at {endpoint['url']} does not answer: {error}", status=EXIT_FAILED) from error


def _message(error: urllib.error.HTTPError) -> str:
    text = error.read(65_536).decode("utf-8", "replace")
    try:
        return str(json.loads(text)["error"]["message"])
    except (ValueError, KeyError, TypeError):
        return text.strip() or error.reason


def stats_lines(found: Mapping[str, Any]) -> list[str]:
    """The statistics as aligned lines of name and value."""
    flat = {name: value for name, value in found.items() if not isinstance(value, dict)}
    for name, members in found.items():
        if isinstance(members, dict):
            flat.update({f"{name}.{member}": value for member, value in members.items()})
    width = max(map(len, flat), default=0)
    return [f"{name:<{width}}  {f'{value:.3f}' if isinstance(value, float) else value}" for name, value in flat.items()]
