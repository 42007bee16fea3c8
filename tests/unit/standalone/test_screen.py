"""What `synapse up` prints."""

from __future__ import annotations

import io
from contextlib import suppress
from pathlib import Path

import pytest

from synapse_standalone.child import Child, Status
from synapse_standalone.screen import Lines, Moving
from tests.unit.standalone.parts import SLEEPS, make_child


@pytest.fixture
def child(tmp_path: Path) -> Child:
    return make_child(tmp_path, SLEEPS, name="cache")


def test_a_line_for_each_part_that_serves(child: Child) -> None:
    out = io.StringIO()
    child.status, child.ready_after_seconds, child.detail = Status.READY, 1.26, "the model"
    Lines(out).child(child)
    assert out.getvalue() == "cache: ready after 1.3 s (the model)\n"


def test_quiet_tells_only_of_trouble(child: Child) -> None:
    out = io.StringIO()
    lines = Lines(out, quiet=True)
    lines.begin([child])
    child.status = Status.READY
    lines.child(child)
    lines.ready("ready")
    assert out.getvalue() == ""
    child.status, child.detail = Status.RESTARTING, "ended with status 1; starts again in 1 s"
    lines.child(child)
    assert out.getvalue() == "cache ended with status 1; starts again in 1 s\n"


def test_the_last_words_come_with_the_third_crash(child: Child) -> None:
    out = io.StringIO()
    child.log.path.write_text("out of memory\n")
    child.status, child.crashes, child.was_ready = Status.RESTARTING, 3, True
    Lines(out).child(child)
    assert "  out of memory\n" in out.getvalue()


def test_a_reader_that_left_does_not_stop_the_mesh() -> None:
    full = Path("/dev/full").open("w")  # noqa: SIM115  # closing it fails, too
    Lines(full).say("nobody reads this")
    with suppress(OSError):
        full.close()


def test_the_moving_table_ends_before_lines_are_written(child: Child, capsys: pytest.CaptureFixture[str]) -> None:
    screen = Moving()
    screen.begin([child])
    child.status = Status.READY
    screen.child(child)
    screen.frame()
    screen.ready("use it so")
    screen.child(child)
    assert capsys.readouterr().out.endswith("use it so\ncache: ready after 0.0 s\n")
