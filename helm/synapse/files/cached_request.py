"""Asks a model the same question again and again through the gateway, and wants an answer from the cache soon."""
# ruff: noqa: INP001, S310, T201 - it is no module of ours but a pod's argument, and asks a Service of its release

from __future__ import annotations

import json
import os
import secrets
import sys
import time
import urllib.error
import urllib.request
from typing import Any

GATEWAY, KEY, MODEL = (os.environ[name] for name in ("SYNAPSE_URL", "SYNAPSE_KEY", "SYNAPSE_MODEL"))
DEADLINE = time.monotonic() + float(os.environ["SYNAPSE_SECONDS"])
STATUS = "x-synapse-cache-status"
PAUSE_SECONDS = 3.0
REQUESTS = 5  # a release that is seconds old may answer the second at a replica that has not heard of the first


def call(path: str, body: dict[str, Any] | None = None) -> tuple[dict[str, str], Any]:
    """Headers and JSON of an answer; ends the test with the gateway's words where it refuses, waits where it may."""
    data = json.dumps(body).encode() if body else None
    headers = {"authorization": f"Bearer {KEY}", "content-type": "application/json"}
    while True:
        request = urllib.request.Request(GATEWAY + path, data, headers)
        left = max(1.0, DEADLINE - time.monotonic())
        try:
            with urllib.request.urlopen(request, timeout=left) as answer:
                return {name.lower(): value for name, value in answer.headers.items()}, json.load(answer)
        except urllib.error.HTTPError as refusal:
            told = f"{path} answered {refusal.code}: {refusal.read(2000).decode(errors='replace')}"
            if refusal.code not in {429, 503} or time.monotonic() > DEADLINE - PAUSE_SECONDS:
                sys.exit(told)
        except OSError as error:
            told = f"{path} cannot be reached: {error}"
            if time.monotonic() > DEADLINE - PAUSE_SECONDS:
                sys.exit(told)
        print(told, flush=True)
        time.sleep(PAUSE_SECONDS)


def model() -> str:
    """The model that the values name, or the first that the gateway lists."""
    listed = [] if MODEL else [one["id"] for one in call("/v1/models")[1]["data"]]
    if not MODEL and not listed:
        sys.exit("the gateway lists no model: name one in tests.model")
    return MODEL or str(listed[0])


def main() -> None:
    """Ask; what was never asked before must be a miss, and then a hit."""
    text = f"Reply with one short greeting. Ignore this word: {secrets.token_hex(8)}"
    question = {"model": model(), "messages": [{"role": "user", "content": text}]}
    seen: list[str] = []
    while len(seen) < REQUESTS and not (seen and seen[-1].startswith("HIT")):
        began = time.monotonic()
        headers, _ = call("/v1/chat/completions", question)
        seen.append(headers.get(STATUS, "nothing"))
        print(f"request {len(seen)}: {seen[-1]} in {time.monotonic() - began:.3f} s", flush=True)
    if seen[0] != "MISS" or not seen[-1].startswith("HIT"):
        sys.exit(f"wanted MISS, then a HIT; {STATUS} said {', then '.join(seen)}")


if __name__ == "__main__":
    main()
