"""What serves can be replaced under running calls: each ends on what it began with."""

from __future__ import annotations

import asyncio

from synapse_llm_router.holding import Holder


class Closed(list[str]):
    """The names of what was closed, in order."""

    async def close(self, name: str) -> None:
        self.append(name)


async def settle() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_a_call_keeps_what_it_took_hold_of() -> None:
    closed = Closed()
    holder = Holder("old", closed.close, linger_seconds=5)
    with holder.taken() as taken:
        holder.replace("new", linger_seconds=5)
        await settle()
        assert (taken, holder.current, closed) == ("old", "new", [])
    await settle()
    assert closed == ["old"]


async def test_a_new_call_takes_the_new_one() -> None:
    holder = Holder("old", Closed().close, linger_seconds=5)
    holder.replace("new", linger_seconds=5)
    with holder.taken() as taken:
        assert taken == "new"


async def test_what_nobody_uses_is_closed_at_once() -> None:
    closed = Closed()
    holder = Holder("old", closed.close, linger_seconds=5)
    holder.replace("new", linger_seconds=5)
    await settle()
    assert closed == ["old"]
    assert holder.ending == 0


async def test_calls_that_never_end_do_not_hold_the_old_one_for_ever() -> None:
    closed = Closed()
    holder = Holder("old", closed.close, linger_seconds=0.01)
    with holder.taken():
        holder.replace("new", linger_seconds=5)
        await asyncio.sleep(0.05)
        assert closed == ["old"]


async def test_the_end_closes_everything_once() -> None:
    closed = Closed()
    holder = Holder("old", closed.close, linger_seconds=5)
    with holder.taken():
        holder.replace("new", linger_seconds=5)
        await settle()
        await holder.close()
    await settle()
    assert sorted(closed) == ["new", "old"]
