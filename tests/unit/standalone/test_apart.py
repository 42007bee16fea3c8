"""Work in a process of its own."""

from __future__ import annotations

import os

import pytest

from synapse_standalone.apart import apart
from synapse_standalone.errors import EXIT_CONFIG, CommandError


def refuse() -> None:
    raise CommandError("no", status=EXIT_CONFIG, remedy="do")


def test_the_result_comes_back_from_another_process() -> None:
    assert apart(os.getpid) != os.getpid()


def test_a_refusal_comes_back_whole() -> None:
    with pytest.raises(CommandError) as raised:
        apart(refuse)
    assert (raised.value.message, raised.value.status, raised.value.remedy) == ("no", EXIT_CONFIG, "do")


def test_a_death_is_told(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(CommandError, match="ended with an error"):
        apart(lambda: {}["missing"])
    assert "KeyError: 'missing'" in capfd.readouterr().err
