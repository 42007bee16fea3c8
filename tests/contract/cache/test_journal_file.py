"""What the journal in a file survives: kills, damage, full disks, a second process."""

from __future__ import annotations

import asyncio
import errno
import logging
import os
import signal
import sqlite3
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from prometheus_client import REGISTRY

from synapse_cache.adapters.journal_file import FileJournal
from tests.support.entries import an_entry

ROOT = Path(__file__).parents[3]
APPENDS_FOR_EVER = """
    journal = await FileJournal.open(Path(sys.argv[1]), sync_seconds=float(sys.argv[2]))
    async def worker(name):
        for number in range(1_000_000):
            entry_id = f"{name}-{number}"
            await journal.append(an_entry(id=entry_id, answer=os.urandom(3000)))
            os.write(1, f"{entry_id}\\n".encode())
            if number % 3 == 0:
                await journal.settle([entry_id])
                os.write(1, f"settled {entry_id}\\n".encode())
    await asyncio.gather(*(worker(name) for name in "abcdefgh"))
"""
FILLS_THE_DISK = """
    journal = await FileJournal.open(Path(sys.argv[1]), sync_seconds=60)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, resource.RLIM_INFINITY))
    kept = []
    try:
        for number in range(1_000):
            await journal.append(an_entry(id=f"id-{number}", answer=os.urandom(3000)))
            kept.append(f"id-{number}")
    except OSError as error:
        print(len(kept), type(error).__name__)
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    await journal.append(an_entry(id="after"))
    assert [entry.id for entry in await journal.pending(limit=2_000)] == [*kept, "after"]
    await journal.close()
"""
PROGRAM = """
import asyncio, os, resource, sys
from pathlib import Path
from synapse_cache.adapters.journal_file import FileJournal
from tests.support.entries import an_entry
async def main():
{body}
asyncio.run(main())
"""


@pytest.fixture
def path(tmp_path):
    return tmp_path / "deep" / "journal.db"


def child(body, path, *, sync_seconds=1.0):
    source = PROGRAM.format(body=textwrap.indent(textwrap.dedent(body), "    "))
    return subprocess.Popen(
        [sys.executable, "-c", source, str(path), str(sync_seconds)], cwd=ROOT, stdout=subprocess.PIPE
    )


async def ids_in(path):
    journal = await FileJournal.open(path)
    pending = await journal.pending(limit=1_000_000)
    await journal.close()
    return [entry.id for entry in pending]


@pytest.mark.parametrize(("lines", "sync_seconds"), [(1, 1), (50, 0), (2_000, 0), (2_000, 1)])
async def test_every_acknowledged_entry_survives_a_kill_in_mid_append(path, lines, sync_seconds):
    process = child(APPENDS_FOR_EVER, path, sync_seconds=sync_seconds)
    told = b"".join(process.stdout.readline() for _ in range(lines))
    process.send_signal(signal.SIGKILL)
    told += process.stdout.read()
    process.stdout.close()
    process.wait(timeout=10)
    words = [line.split() for line in told.decode().splitlines()]
    settled = {line[1] for line in words if line[0] == "settled"}
    acknowledged = {line[0] for line in words if len(line) == 1}
    pending = set(await ids_in(path))
    settling = {name for name in acknowledged if int(name.partition("-")[2]) % 3 == 0}
    assert acknowledged - settling <= pending
    assert not settled & pending


async def test_a_full_disk_is_told_and_spoils_nothing(path):
    process = child(FILLS_THE_DISK, path)
    told, _ = process.communicate(timeout=60)
    assert process.returncode == 0
    kept, error = told.split()
    assert int(kept) > 20
    assert error == b"OSError"


async def test_entries_outlive_their_journal_in_order(path):
    journal = await FileJournal.open(path)
    for number in range(30):
        await journal.append(an_entry(id=f"id-{number:02d}"))
    await journal.settle(["id-07"])
    await journal.close()
    assert await ids_in(path) == [f"id-{number:02d}" for number in range(30) if number != 7]


async def test_the_bound_counts_what_was_there_before(path):
    journal = await FileJournal.open(path)
    await journal.append(an_entry(answer=b"x" * 50_000))
    await journal.close()
    journal = await FileJournal.open(path, max_bytes=60_000)
    with pytest.raises(OSError):
        await journal.append(an_entry(id="other", answer=b"x" * 20_000))
    await journal.settle([an_entry().id])
    await journal.append(an_entry(id="other", answer=b"x" * 20_000))
    await journal.close()


def _nonsense(path):
    path.write_bytes(os.urandom(20_000))


def _overwritten(path):
    content = bytearray(path.read_bytes())
    content[4096:] = os.urandom(len(content) - 4096)
    path.write_bytes(content)


def _cut(path):
    os.truncate(path, path.stat().st_size // 2 + 100)


def _of_another_version(path):
    database = sqlite3.connect(path)
    database.execute("PRAGMA user_version = 99")
    database.close()


@pytest.mark.parametrize("damage", [_nonsense, _overwritten, _cut, _of_another_version])
async def test_a_damaged_file_is_set_aside_loudly_and_a_new_one_begun(path, damage, caplog):
    journal = await FileJournal.open(path)
    for number in range(30):
        await journal.append(an_entry(id=f"id-{number}", answer=b"x" * 3000))
    await journal.close()
    damage(path)
    damaged = path.read_bytes()[100:]
    journal = await FileJournal.open(path)
    await journal.append(an_entry(id="new"))
    await journal.close()
    assert path.with_name("journal.db.corrupt").read_bytes()[100:] == damaged
    assert [record.levelno for record in caplog.records] == [logging.ERROR]
    assert await ids_in(path) == ["new"]


async def test_a_torn_last_write_costs_only_itself(path):
    process = child(APPENDS_FOR_EVER, path)
    for _ in range(100):
        process.stdout.readline()
    process.kill()
    process.stdout.close()
    process.wait(timeout=10)
    log = path.with_name("journal.db-wal")
    os.truncate(log, log.stat().st_size - 1000)
    assert len(await ids_in(path)) > 20
    assert not path.with_name("journal.db.corrupt").exists()


async def test_damage_met_at_work_is_told_and_the_next_append_is_kept(path):
    journal = await FileJournal.open(path, sync_seconds=0)
    for number in range(300):
        await journal.append(an_entry(id=f"id-{number}", answer=b"x" * 20_000))
    await journal.pending_count()
    with path.open("r+b") as file:
        file.seek(4096)
        file.write(os.urandom(path.stat().st_size - 4096))
    with pytest.raises(OSError):
        await journal.pending(limit=300)
    await journal.append(an_entry(id="new"))
    assert [entry.id for entry in await journal.pending(limit=10)] == ["new"]
    await journal.close()


async def test_a_row_that_is_no_entry_is_dropped(path):
    journal = await FileJournal.open(path)
    await journal.append(an_entry())
    await journal.close()
    database = sqlite3.connect(path)
    database.execute("INSERT INTO entries (id, data) VALUES ('bad', x'6e6f')")
    database.commit()
    database.close()
    journal = await FileJournal.open(path)
    assert await journal.pending(limit=10) == [an_entry()]
    assert await journal.pending_count() == 1
    await journal.close()


async def test_a_second_owner_is_refused(path):
    journal = await FileJournal.open(path)
    with pytest.raises(OSError) as raised:
        await FileJournal.open(path)
    assert raised.value.errno == errno.EBUSY
    await journal.append(an_entry())
    await journal.close()


async def test_a_disk_that_takes_too_long_is_an_os_error(path):
    journal = await FileJournal.open(path, timeout_seconds=0)
    with pytest.raises(OSError):
        await journal.append(an_entry())
    await journal.close()


async def test_a_path_that_cannot_be_a_file_is_refused(tmp_path):
    with pytest.raises(OSError):
        await FileJournal.open(tmp_path)


async def test_a_caller_that_leaves_does_not_stop_the_journal(path):
    journal = await FileJournal.open(path)
    tasks = [asyncio.ensure_future(journal.append(an_entry(id=f"id-{number}"))) for number in range(20)]
    await asyncio.sleep(0)
    for task in tasks[::2]:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    await journal.append(an_entry(id="last"))
    assert {f"id-{number}" for number in range(1, 20, 2)} <= {entry.id for entry in await journal.pending(limit=100)}
    await journal.close()


async def test_the_file_gives_its_space_back_when_all_is_settled(path):
    journal = await FileJournal.open(path, sync_seconds=0)
    ids = [f"id-{number}" for number in range(100)]
    for entry_id in ids:
        await journal.append(an_entry(id=entry_id, answer=b"x" * 50_000))
    await journal.pending_count()
    full = path.stat().st_size
    await journal.settle(ids)
    await journal.close()
    assert path.stat().st_size < full / 10


async def test_its_size_and_the_limit_are_told(path):
    def told(name):
        return REGISTRY.get_sample_value(f"synapse_cache_journal_{name}")

    journal = await FileJournal.open(path, max_bytes=50_000)
    await journal.append(an_entry(id="a", answer=os.urandom(3000)))
    assert 3000 < told("bytes") < 6000
    await journal.settle(["a"])
    assert (told("bytes"), told("max_bytes")) == (0, 50_000)
    await journal.close()
