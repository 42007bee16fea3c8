"""The supervisor: all parts together, each kept alive, stopped in order, never orphaned."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from synapse_standalone import lifeline
from synapse_standalone.child import Child, Status
from synapse_standalone.errors import EXIT_CONFIG, EXIT_SOFTWARE, CommandError
from synapse_standalone.supervisor import Supervisor
from tests.unit.standalone.parts import SLEEPS, alive, make_child, never, python, until

SUPERVISE = """
import asyncio, pathlib, sys
from synapse_standalone.supervisor import Supervisor
from tests.unit.standalone.parts import SLEEPS, make_child

async def main():
    supervisor = Supervisor(lambda child: None)
    children = [make_child(pathlib.Path(sys.argv[1]), SLEEPS, name=name, changed=supervisor.child_changed) for name in "ab"]
    async with supervisor.running(children):
        await supervisor.until_ready()
        print(*(child.pid for child in children), flush=True)
        await asyncio.sleep(60)

asyncio.run(main())
"""

PARENT = """
import os, subprocess, sys, time
watch = "import sys; from synapse_standalone import lifeline; lifeline.main(sys.argv[1:], platform='other')"
show_pid = "import os, time; print(os.getpid(), flush=True); time.sleep(60)"
subprocess.Popen([sys.executable, "-c", watch, str(os.getpid()), sys.executable, "-c", show_pid])
time.sleep(60)
"""


async def test_parts_stop_stage_by_stage(tmp_path: Path) -> None:
    stopped: list[str] = []

    def note(child: Child) -> None:
        if child.status is Status.STOPPING:
            stopped.append(child.part.name)

    supervisor = Supervisor(note)
    children = [
        make_child(tmp_path, SLEEPS, name=name, stage=stage, changed=supervisor.child_changed)
        for name, stage in (("store", 3), ("door", 0), ("cache", 1))
    ]
    async with supervisor.running(children):
        await supervisor.until_ready()
    assert stopped == ["door", "cache", "store"]
    assert not [child for child in children if child.pid is None or alive(child.pid)]


async def test_the_others_serve_on_while_one_crashes(tmp_path: Path) -> None:
    supervisor = Supervisor(lambda _: None)
    steady, weak = (
        make_child(tmp_path, SLEEPS, name=name, changed=supervisor.child_changed) for name in ("steady", "weak")
    )
    async with supervisor.running([steady, weak]):
        await supervisor.until_ready()
        before, first = steady.pid, weak.pid
        assert first is not None
        os.kill(first, signal.SIGKILL)
        await until(lambda: weak.pid != first and weak.status is Status.READY)
        assert (steady.pid, steady.crashes) == (before, 0)


async def test_a_part_that_cannot_start_ends_it_with_its_last_words(tmp_path: Path) -> None:
    supervisor = Supervisor(lambda _: None)
    script = "print('no such luck', flush=True); raise SystemExit(4)"
    children = [
        make_child(tmp_path, script, name="bad", ready=never, changed=supervisor.child_changed),
        make_child(tmp_path, SLEEPS, name="good", changed=supervisor.child_changed),
    ]
    with pytest.raises(CommandError, match="bad does not start: ended with status 4") as raised:
        async with supervisor.running(children):
            await supervisor.until_ready()
    assert "no such luck" in raised.value.remedy
    assert raised.value.status == EXIT_SOFTWARE
    assert children[1].pid is not None
    assert not alive(children[1].pid)


async def test_a_complaint_about_settings_ends_it_at_once_in_the_services_words(tmp_path: Path) -> None:
    supervisor = Supervisor(lambda _: None)
    script = f"print('wrong settings: cache.ttl', flush=True); raise SystemExit({EXIT_CONFIG})"
    child = make_child(tmp_path, script, ready=never, changed=supervisor.child_changed)
    with pytest.raises(CommandError, match=r"wrong settings: cache\.ttl") as raised:
        async with supervisor.running([child]):
            await supervisor.until_ready()
    assert raised.value.status == EXIT_CONFIG
    assert child.crashes == 1


async def test_kill_ends_everything_at_once(tmp_path: Path) -> None:
    supervisor = Supervisor(lambda _: None)
    children = [make_child(tmp_path, SLEEPS, name=name, changed=supervisor.child_changed) for name in "ab"]
    async with supervisor.running(children):
        await supervisor.until_ready()
        await asyncio.wait_for(supervisor.kill(), 2)
        assert not [child for child in children if child.pid is None or alive(child.pid)]


def gone(pids: list[int], *, seconds: float = 5) -> bool:
    deadline = time.monotonic() + seconds
    while any(map(alive, pids)) and time.monotonic() < deadline:
        time.sleep(0.02)
    return not any(map(alive, pids))


def test_a_killed_supervisor_leaves_no_orphan(tmp_path: Path) -> None:
    command = [sys.executable, "-c", SUPERVISE, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as supervisor:
        assert supervisor.stdout is not None
        pids = [int(pid) for pid in supervisor.stdout.readline().split()]
        assert all(map(alive, pids))
        supervisor.kill()
    assert len(pids) == 2
    assert gone(pids)


def test_without_the_kernels_help_the_lifeline_itself_watches_the_parent() -> None:
    with subprocess.Popen([sys.executable, "-c", PARENT], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        assert alive(pid)
        parent.kill()
        assert gone([pid])


def test_a_command_whose_parent_is_gone_does_not_start(tmp_path: Path) -> None:
    sign = tmp_path / "sign"
    command = lifeline.command(1, python(f"import pathlib; pathlib.Path({str(sign)!r}).touch()"))
    assert subprocess.run(command, timeout=10, check=False).returncode == 1
    assert not sign.exists()
