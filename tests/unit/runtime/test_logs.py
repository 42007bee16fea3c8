"""Log lines are one JSON object each, filtered as RUST_LOG does."""

from __future__ import annotations

import io
import json
import logging

import pytest

from synapse_runtime.logs import TRACE, LogFilterError, configure, parse_filter


@pytest.fixture
def lines():
    """Configures logging with a filter; returns what reads the lines written since."""
    root = logging.getLogger()
    names = ("synapse", "synapse.rpc", "synapse.rpc.deep", "other")
    before = (root.handlers[:], root.level, {name: logging.getLogger(name).level for name in names})
    stream = io.StringIO()

    def start(log_filter):
        configure("cache", log_filter, stream=stream)
        return lambda: [json.loads(line) for line in stream.getvalue().splitlines()]

    yield start
    root.handlers[:] = before[0]
    root.setLevel(before[1])
    for name, level in before[2].items():
        logging.getLogger(name).setLevel(level)


def test_a_line_says_when_where_what_and_the_facts(lines):
    read = lines("info")
    logging.getLogger("synapse.rpc").info("served %s", "x", extra={"port": 1, "reason": "ok"})
    (line,) = read()
    assert line.pop("time").endswith("Z")
    assert line == {
        "level": "info",
        "target": "synapse.rpc",
        "service": "cache",
        "message": "served x",
        "port": 1,
        "reason": "ok",
    }


@pytest.mark.parametrize("fact", [float("nan"), 2**70, object(), b"x", {1: 2}, "\ud800", {"a": "\ud800"}, "a\nb"])
def test_no_fact_breaks_a_line(lines, fact):
    read = lines("info")
    logging.getLogger("synapse").info("said", extra={"fact": fact})
    (line,) = read()
    assert line["message"] == "said"


def test_an_error_is_told_on_the_same_line(lines):
    read = lines("info")
    try:
        {}["k"]
    except KeyError:
        logging.getLogger("synapse").exception("failed")
    (line,) = read()
    assert "KeyError: 'k'" in line["error"]


def test_the_longest_matching_target_wins(lines):
    read = lines("error,synapse=warn,synapse::rpc=debug")
    for name in ("other", "synapse", "synapse.rpc.deep"):
        logging.getLogger(name).debug("debug")
        logging.getLogger(name).warning("warn")
    assert [(line["target"], line["level"]) for line in read()] == [
        ("synapse", "warning"),
        ("synapse.rpc.deep", "debug"),
        ("synapse.rpc.deep", "warning"),
    ]


def test_off_silences_a_target(lines):
    read = lines("info,other=off")
    logging.getLogger("other").critical("x")
    assert read() == []


@pytest.mark.parametrize(
    ("text", "levels"),
    [
        ("", {"": logging.INFO}),
        ("DEBUG", {"": logging.DEBUG}),
        (" warn , synapse = trace".replace(" = ", "="), {"": logging.WARNING, "synapse": TRACE}),
        ("synapse", {"": logging.INFO, "synapse": TRACE}),
        ("a::b=error,,", {"": logging.INFO, "a.b": logging.ERROR}),
    ],
)
def test_a_filter_is_read_as_rust_log(text, levels):
    assert parse_filter(text) == levels


@pytest.mark.parametrize("text", ["synapse=loud", "synapse=", "=", "a=b=c"])
def test_a_filter_that_cannot_be_read_is_named(text):
    with pytest.raises(LogFilterError):
        parse_filter(text)
