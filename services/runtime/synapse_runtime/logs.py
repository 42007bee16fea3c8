"""JSON lines on standard output, filtered as RUST_LOG does: `info,synapse=debug,synapse.rpc=warn`.

A directive is a level (the default) or target=level; the longest matching target wins. Levels are error, warn, info,
debug, trace and off. Targets are logger names; `::` is read as a dot. Prompts, answers and keys are never logged.
"""

from __future__ import annotations

import json
import logging
import sys
import time
from typing import TextIO

import orjson
from opentelemetry import trace

TRACE = 5
_LEVELS = {
    "trace": TRACE,
    "debug": logging.DEBUG,
    "info": logging.INFO,
    "warn": logging.WARNING,
    "warning": logging.WARNING,
    "error": logging.ERROR,
    "off": logging.CRITICAL + 10,
}
_OWN = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


class LogFilterError(ValueError):
    """The log filter cannot be read; the message names the directive."""


class JsonFormatter(logging.Formatter):
    """One JSON object a record: time (RFC 3339, UTC), level, target, service, message, then the `extra` facts."""

    def __init__(self, service: str) -> None:
        super().__init__()
        self._service = service

    def format(self, record: logging.LogRecord) -> str:
        """The record as one line of JSON."""
        seconds = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
        line = {
            "time": f"{seconds}.{int(record.msecs):03d}Z",
            "level": record.levelname.lower(),
            "target": record.name,
            "service": self._service,
            "message": record.getMessage(),
        }
        span = trace.get_current_span().get_span_context()
        if span.is_valid:
            line["trace_id"] = f"{span.trace_id:032x}"
        line.update((key, value) for key, value in vars(record).items() if key not in _OWN)
        if record.exc_info:
            line["error"] = self.formatException(record.exc_info)
        try:
            return orjson.dumps(line, default=str, option=orjson.OPT_NON_STR_KEYS).decode()
        except TypeError:  # lone surrogates, integers beyond 64 bits: slower, but no line is lost
            return json.dumps(line, default=str)


def parse_filter(text: str) -> dict[str, int]:
    """Levels by target, the default under ""; raises LogFilterError for what cannot be read."""
    levels = {"": logging.INFO}
    for directive in filter(None, (part.strip() for part in text.split(","))):
        target, separator, level = directive.rpartition("=")
        if level.lower() not in _LEVELS:
            if separator:
                raise LogFilterError(f"log filter: {directive!r} does not end in a level")
            target, level = level, "trace"  # as RUST_LOG: a bare target means all of it
        levels[target.replace("::", ".")] = _LEVELS[level.lower()]
    return levels


def configure(service: str, log_filter: str, *, stream: TextIO | None = None) -> None:
    """Send every log line of the process to `stream` (standard output) as JSON, filtered by `log_filter`."""
    logging.addLevelName(TRACE, "TRACE")
    handler = logging.StreamHandler(stream or sys.stdout)
    handler.setFormatter(JsonFormatter(service))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    for target, level in parse_filter(log_filter).items():
        logging.getLogger(target or None).setLevel(level)
