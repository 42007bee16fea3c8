"""What people see of backends, models and the configuration."""

from __future__ import annotations

from typing import Any

from synapse_standalone import tables

BACKEND: dict[str, Any] = {
    "name": "gpu",
    "provider": "vllm",
    "state": "BACKEND_STATE_COOLING_DOWN",
    "models": ["a", "b", "c", "d"],
    "in_flight": 2,
    "max_in_flight": 8,
    "error_ratio": 0.25,
    "first_token_latency": "0.120s",
    "request_count": "17",
    "last_error": "unavailable: no connection",
}


def test_a_backend_is_a_line_and_its_last_failure_stands_below() -> None:
    head, row, empty, failure = tables.backend_lines([BACKEND])
    assert head.split()[:3] == ["BACKEND", "PROVIDER", "STATE"]
    assert row.split("  ")[0] == "gpu"
    assert all(word in row for word in ("cooling down", "2 of 8", "17", "25%", "120 ms", "a, b, c and 1 more"))
    assert (empty, failure) == ("", "last error of gpu: unavailable: no connection")


def test_a_backend_of_which_nothing_is_known_yet_is_shown() -> None:
    _, row = tables.backend_lines([{"name": "new", "state": "BACKEND_STATE_STARTING"}])
    assert row.split() == ["new", "starting", "0", "0", "0", "0%", "-", "-"]


def test_models_are_aligned() -> None:
    assert tables.model_lines([{"id": "long-name", "owned_by": "openai"}, {"id": "m", "owned_by": "vllm"}]) == [
        "MODEL      OWNED BY",
        "long-name  openai",
        "m          vllm",
    ]


def test_a_refused_configuration_is_told() -> None:
    told = {"config_json": "{}", "load_time": "2026-11-23T00:00:00Z", "rejected": "a is wrong"}
    assert "the configuration that was read last is refused:\na is wrong" in tables.config_lines(told)


def test_what_a_reload_brought_is_told() -> None:
    told = {"changed": True, "added_backends": ["a", "b"], "needs_restart": ["router.listen"]}
    assert tables.change_lines(told, validate_only=False) == [
        "the configuration is in use",
        "added backends: a, b",
        "at the next start only: router.listen",
    ]


def test_a_reload_without_a_change_is_told() -> None:
    assert tables.change_lines({"changed": False}, validate_only=True) == ["nothing changed"]
