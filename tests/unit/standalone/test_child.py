"""A child: watched until it serves, started again when it dies, stopped for good when asked."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from synapse_standalone.child import Backoff, Child, Status, describe_end
from synapse_standalone.errors import EXIT_CONFIG
from tests.unit.standalone.parts import SLEEPS, STUBBORN, alive, make_child, never, until


@asynccontextmanager
async def kept(child: Child):
    task = asyncio.create_task(child.keep())
    try:
        yield child
    finally:
        await child.kill()
        await task


async def test_it_is_ready_when_its_check_says_so(tmp_path: Path) -> None:
    async def ready() -> bool:
        return (tmp_path / "sign").exists()

    script = f"import pathlib, time; time.sleep(0.1); pathlib.Path({str(tmp_path / 'sign')!r}).touch(); {SLEEPS}"
    async with kept(make_child(tmp_path, script, ready=ready)) as child:
        await until(lambda: child.status is Status.READY)
        assert child.ready_after_seconds >= 0.1


async def test_a_crash_is_followed_by_another_start(tmp_path: Path) -> None:
    async with kept(make_child(tmp_path, SLEEPS)) as child:
        await until(lambda: child.status is Status.READY)
        first = child.pid
        assert first is not None
        os.kill(first, signal.SIGKILL)
        await until(lambda: child.pid != first and child.status is Status.READY)
        assert child.crashes == 1


async def test_quick_crashes_are_counted_and_told(tmp_path: Path) -> None:
    told: list[str] = []
    child = make_child(tmp_path, "raise SystemExit(3)", ready=never, changed=lambda c: told.append(c.detail))
    async with kept(child):
        await until(lambda: child.crashes >= 3)
    assert "ended with status 3; starts again in 0.01 s" in told


async def test_one_that_never_serves_is_killed_and_counts_as_crashed(tmp_path: Path) -> None:
    async with kept(make_child(tmp_path, SLEEPS, ready=never, start_seconds=0.1)) as child:
        await until(lambda: child.crashes >= 1)


async def test_a_complaint_about_settings_is_noticed(tmp_path: Path) -> None:
    async with kept(make_child(tmp_path, f"raise SystemExit({EXIT_CONFIG})", ready=never)) as child:
        await until(lambda: child.misconfigured)


async def test_stop_ends_it_and_it_stays_ended(tmp_path: Path) -> None:
    async with kept(make_child(tmp_path, SLEEPS)) as child:
        await until(lambda: child.status is Status.READY)
        await child.stop()
        await until(lambda: child.status is Status.STOPPED)
        assert child.pid is not None
        assert not alive(child.pid)


async def test_one_that_does_not_listen_is_killed_after_its_time(tmp_path: Path) -> None:
    async with kept(make_child(tmp_path, STUBBORN, stop_seconds=0.2)) as child:
        await until(lambda: child.log.tail(1) == ["deaf"])
        began = time.monotonic()
        await child.stop()
        assert 0.2 <= time.monotonic() - began < 3


async def test_stop_does_not_wait_for_the_next_start(tmp_path: Path) -> None:
    child = make_child(tmp_path, "raise SystemExit(1)", ready=never)
    child.backoff = Backoff(first_seconds=60, max_seconds=60)
    task = asyncio.create_task(child.keep())
    await until(lambda: child.status is Status.RESTARTING)
    await child.stop()
    await asyncio.wait_for(task, 1)


async def test_a_program_that_does_not_exist_is_a_crash_with_a_reason(tmp_path: Path) -> None:
    child = make_child(tmp_path / "missing", SLEEPS)
    child.log.path = tmp_path / "part.log"
    async with kept(child):
        await until(lambda: "cannot be started (No such file" in child.detail)


def test_back_off_doubles_and_is_bounded() -> None:
    waits = [Backoff(first_seconds=0.5, max_seconds=4).seconds(crashes) for crashes in range(1, 7)]
    assert waits == [0.5, 1, 2, 4, 4, 4]


@pytest.mark.parametrize(
    ("status", "words"),
    [(0, "ended with status 0"), (-9, "was ended by signal SIGKILL"), (-250, "was ended by signal 250")],
)
def test_an_end_is_told_in_words(status: int, words: str) -> None:
    assert describe_end(status) == words
