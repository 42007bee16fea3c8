"""Responses that were answered earlier: none is kept, and whoever asks for one is told so."""

from __future__ import annotations

from synapse_gateway.problems import Problem


def not_kept(path: str) -> Problem:
    """The refusal of a request for, about or of an earlier response: 404."""
    message = f"Nothing is kept between two calls, so there is nothing under {path}: the reply to a call is all of it."
    return Problem(404, message, code="response_not_found", fault="caller_not_found")
