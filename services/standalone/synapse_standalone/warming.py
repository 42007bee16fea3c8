"""`synapse warm`: questions whose answers are known beforehand, from a file of JSON lines into the cache."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from synapse_standalone.errors import EXIT_FAILED, CommandError

if TYPE_CHECKING:
    from synapse_standalone.files import Numbered

_PATH = "/api/v1/cache"
_TEXTS = ("prompt", "answer", "model", "system", "namespace")
_MEMBERS = frozenset({*_TEXTS, "tags", "ttl"})
_MOST_ERRORS = 20


def add_arguments(command: argparse.ArgumentParser) -> None:
    """The arguments of the command."""
    command.add_argument("file", metavar="FILE", help="JSON lines; compressed if it ends in .gz, - for standard input")
    command.add_argument("--model", default="", help="model of lines that name none: the one that will be asked later")
    command.add_argument("--namespace", default="", help="part of the tenant's cache for lines that name none")
    command.epilog = (
        'A line: {"prompt": "...", "answer": "...", "model": "...", "system": "...", "namespace": "...",'
        ' "tags": ["..."], "ttl": SECONDS}; prompt and answer are needed. Model and system must be those of later'
        " requests."
    )


def run(arguments: argparse.Namespace) -> int:
    """Store the answers of a file; the exit status is 1 where some were refused."""
    from synapse_standalone import files
    from synapse_standalone.progress import progress
    from synapse_standalone.state import read_endpoint

    endpoint, stored, refused = read_endpoint(arguments.state), 0, 0
    with files.reading(arguments.file) as lines, progress() as shown:
        for line in lines:
            why = _stored(endpoint, line, arguments)
            stored, refused = stored + (not why), refused + bool(why)
            if why and refused <= _MOST_ERRORS:
                shown.clear()
                sys.stderr.write(f"line {line.number}: {why}\n")
            shown.tell(f"{stored} stored, {refused} refused", share=line.share)
    if refused > _MOST_ERRORS:
        sys.stderr.write(f"and {refused - _MOST_ERRORS} more\n")
    print(f"{stored} stored, {refused} refused")
    return int(refused > 0)


def _stored(endpoint: Mapping[str, Any], line: Numbered, arguments: argparse.Namespace) -> str:
    """Why a line was not stored; empty when it was. Raises CommandError when the gateway does not answer."""
    from synapse_standalone import client

    try:
        body = request_of(json.loads(line.raw), model=arguments.model, namespace=arguments.namespace)
    except ValueError as error:
        return str(error) if isinstance(error, UnfitLine) else "it is not JSON"
    try:
        reply = client.admin(endpoint, "POST", _PATH, body)
    except CommandError as error:
        if getattr(error.__cause__, "code", 500) in {400, 413, 422}:
            return error.message
        raise CommandError(f"line {line.number}: {error.message}", status=EXIT_FAILED) from error
    return "" if reply["stored"] else f"the write gates: {reply['reason']}"


class UnfitLine(ValueError):
    """A line is not as it must be; its text says how."""


def request_of(line: Any, *, model: str, namespace: str) -> dict[str, Any]:
    """The request that stores what `line` says; raises UnfitLine."""
    if not isinstance(line, dict):
        raise UnfitLine("it is not a JSON object")
    if unknown := sorted(line.keys() - _MEMBERS):
        raise UnfitLine(f"unknown member {unknown[0]!r}")
    texts = {name: line.get(name) or "" for name in _TEXTS}
    texts["model"], texts["namespace"] = texts["model"] or model, texts["namespace"] or namespace
    for name, value in texts.items():
        if not isinstance(value, str):
            raise UnfitLine(f"{name} must be a text")
    for name in ("prompt", "answer", "model"):
        if not texts[name].strip():
            raise UnfitLine(f"{name} is missing" + (" (or give --model)" if name == "model" else ""))
    messages = [{"role": "system", "text": texts["system"]}] if texts["system"] else []
    messages.append({"role": "user", "text": texts["prompt"]})
    choice = {"content": texts["answer"], "finish_reason": "FINISH_REASON_STOP"}
    return {
        "request": {"model": texts["model"], "messages": messages},
        "generation": {"model": texts["model"], "choices": [choice]},
        "control": _control(line, texts["namespace"]),
    }


def _control(line: Mapping[str, Any], namespace: str) -> dict[str, Any]:
    tags, ttl = line.get("tags") or [], line.get("ttl")
    if not isinstance(tags, list) or not all(isinstance(tag, str) for tag in tags):
        raise UnfitLine("tags must be a list of texts")
    if ttl is not None and (not isinstance(ttl, int | float) or isinstance(ttl, bool) or ttl <= 0):
        raise UnfitLine("ttl must be a number of seconds above 0")
    control: dict[str, Any] = {"namespace": namespace} if namespace else {}
    return control | ({"tags": tags} if tags else {}) | ({} if ttl is None else {"ttl": f"{ttl:.3f}s"})
