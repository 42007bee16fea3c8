"""What every journal does: in memory and in a file."""

from __future__ import annotations

import asyncio
import errno

import pytest

from synapse_cache.adapters.journal_file import FileJournal
from synapse_cache.adapters.journal_memory import MemoryJournal
from tests.support.entries import an_entry

ROOM = 200_000


@pytest.fixture(params=["memory", "file"])
async def journal(request, tmp_path):
    if request.param == "memory":
        journal = MemoryJournal(max_bytes=ROOM)
    else:
        journal = await FileJournal.open(tmp_path / "journal.db", max_bytes=ROOM)
    yield journal
    await journal.close()


def entries(count, **changes):
    return [an_entry(id=f"id-{number:04d}", **changes) for number in range(count)]


async def test_a_new_journal_is_empty(journal):
    assert (await journal.pending(limit=10), await journal.pending_count()) == ([], 0)


async def test_what_was_appended_is_pending_whole(journal):
    entry = an_entry(prompt=None, answer=bytes(range(256)), tags=("ü",))
    await journal.append(entry)
    assert await journal.pending(limit=10) == [entry]


async def test_the_oldest_come_first_and_no_more_than_asked(journal):
    appended = entries(20)
    for entry in appended:
        await journal.append(entry)
    assert await journal.pending(limit=5) == appended[:5]
    assert await journal.pending_count() == 20


async def test_the_settled_are_forgotten_and_the_rest_keep_their_order(journal):
    appended = entries(6)
    for entry in appended:
        await journal.append(entry)
    await journal.settle([appended[0].id, appended[3].id, "unknown"])
    assert await journal.pending(limit=10) == [appended[index] for index in (1, 2, 4, 5)]
    assert await journal.pending_count() == 4


async def test_settling_twice_or_nothing_is_harmless(journal):
    await journal.append(an_entry())
    await journal.settle([])
    await journal.settle([an_entry().id])
    await journal.settle([an_entry().id])
    assert await journal.pending_count() == 0


async def test_one_id_is_pending_once_with_its_last_content(journal):
    await journal.append(an_entry())
    await journal.append(an_entry(answer=b"newer"))
    assert await journal.pending(limit=10) == [an_entry(answer=b"newer")]
    assert await journal.pending_count() == 1


async def test_appends_at_once_are_all_kept(journal):
    appended = entries(300)
    await asyncio.gather(*(journal.append(entry) for entry in appended))
    assert await journal.pending(limit=1000) == appended


async def test_a_full_journal_refuses_keeps_what_it_has_and_takes_more_when_settled(journal):
    appended = entries(8, answer=b"x" * 20_000)
    for entry in appended:
        await journal.append(entry)
    with pytest.raises(OSError) as raised:
        await journal.append(an_entry(id="late", answer=b"x" * 60_000))
    assert raised.value.errno == errno.ENOSPC
    assert await journal.pending(limit=100) == appended
    await journal.settle([entry.id for entry in appended[:4]])
    await journal.append(an_entry(id="late", answer=b"x" * 60_000))
    assert await journal.pending_count() == 5


async def test_one_that_is_refused_takes_no_other_with_it(journal):
    small, big = entries(20), an_entry(id="big", answer=b"x" * ROOM)
    outcomes = await asyncio.gather(*map(journal.append, [*small[:10], big, *small[10:]]), return_exceptions=True)
    assert [type(outcome) for outcome in outcomes].count(OSError) == 1
    assert await journal.pending(limit=100) == small


async def test_a_closed_journal_refuses(journal):
    await journal.close()
    await journal.close()
    with pytest.raises(OSError):
        await journal.append(an_entry())
