"""Moving from one embedding model to another: nothing is lost, nothing removed comes back, all replicas agree."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from synapse_cache.adapters.vectors_memory import MemoryVectorStore
from synapse_cache.invalidation.conditions import Conditions, Likeness
from synapse_cache.ports import StoreUnavailable
from synapse_cache.reembedding.reembedding import Progress, Stage
from synapse_runtime.errors import FailedPrecondition, InvalidArgument, Unavailable
from tests.support.moving_world import ALIAS, NEW, MovingWorld, Replica


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("synapse_cache.reembedding.rebuilding._AGAIN_SECONDS", 0.05)
    monkeypatch.setattr("synapse_cache.reembedding.rebuilding._LOOK_SECONDS", 0.01)


@pytest.fixture(params=["shared", "own"])
def world(request: pytest.FixtureRequest) -> MovingWorld:
    return MovingWorld(shared=request.param == "shared")


@pytest.fixture
async def replica(world: MovingWorld) -> AsyncIterator[Replica]:
    async with world.replica() as made:
        yield made


async def test_before_the_switch_the_old_vectors_serve_and_after_it_the_new(
    world: MovingWorld, replica: Replica
) -> None:
    await replica.store("one", "two", "three")
    await replica.switch.start(NEW)
    await world.until_stage(Stage.READY)
    assert replica.spaces.fingerprint == world.models.old.space.fingerprint
    assert await replica.found("two") == ["two"]
    await replica.switch.switch()
    assert replica.spaces.fingerprint == world.models.new.space.fingerprint
    assert await replica.found("two") == ["two"]
    assert replica.ids(world.models.new) == {"one", "two", "three"}


async def test_what_is_stored_meanwhile_goes_to_both(world: MovingWorld, replica: Replica) -> None:
    await replica.store("before")
    world.models.new.gate = asyncio.Event()
    await replica.switch.start(NEW)
    await world.until(lambda: world.models.new.calls > 0)
    await replica.store("meanwhile")
    world.models.new.gate.set()
    await world.until_stage(Stage.READY)
    await replica.store("ready")
    await world.until(lambda: "ready" in replica.ids(world.models.new))
    await replica.switch.switch()
    await replica.store("after")
    for name in ("before", "meanwhile", "ready", "after"):
        assert await replica.found(name) == [name]
    await world.until(lambda: "after" in replica.ids(world.models.old))


async def test_after_a_roll_back_nothing_is_missing(world: MovingWorld, replica: Replica) -> None:
    await replica.store("before")
    await replica.switch.start(NEW)
    await world.until_stage(Stage.READY)
    await replica.switch.switch()
    await replica.store("after")
    await world.until(lambda: "after" in replica.ids(world.models.old))
    await replica.switch.roll_back()
    assert replica.spaces.fingerprint == world.models.old.space.fingerprint
    for name in ("before", "after"):
        assert await replica.found(name) == [name]


async def test_the_switch_waits_until_the_vectors_are_ready(world: MovingWorld, replica: Replica) -> None:
    with pytest.raises(FailedPrecondition, match="no re-embedding"):
        await replica.switch.switch()
    world.models.new.gate = asyncio.Event()
    await replica.store("one")
    await replica.switch.start(NEW)
    with pytest.raises(FailedPrecondition, match="not ready: building"):
        await replica.switch.switch()
    world.models.new.gate.set()
    await world.until_stage(Stage.READY)
    await replica.switch.switch()
    await replica.switch.switch()
    assert (await replica.standing()).plan.stage is Stage.SWITCHED


async def test_a_new_model_that_does_not_answer_is_not_switched_to(world: MovingWorld, replica: Replica) -> None:
    await replica.switch.start(NEW)
    await world.until_stage(Stage.READY)
    world.models.new.down = True
    with pytest.raises(Unavailable, match="new does not answer"):
        await replica.switch.switch()


async def test_what_is_removed_while_it_is_carried_does_not_come_back(world: MovingWorld, replica: Replica) -> None:
    await replica.store("stays", "goes")
    world.models.new.gate = asyncio.Event()
    await replica.switch.start(NEW)
    await world.until(lambda: world.models.new.calls > 0)
    await replica.spaces.delete("acme", ["goes"])
    world.models.new.gate.set()
    await world.until_stage(Stage.READY)
    assert replica.ids(world.models.new) == {"stays"}


async def test_what_is_removed_goes_from_both(world: MovingWorld, replica: Replica) -> None:
    await replica.store("stays", "goes")
    await replica.switch.start(NEW)
    await world.until_stage(Stage.READY)
    await replica.switch.switch()
    assert await replica.spaces.delete("acme", ["goes"]) == 1
    assert replica.ids(world.models.old) == replica.ids(world.models.new) == {"stays"}


async def test_an_invalidation_finds_what_only_the_other_space_has(world: MovingWorld, replica: Replica) -> None:
    long = " ".join(f"word{number}" for number in range(70))
    await replica.store("one", long)
    world.models.new._model = type(world.models.new._model)(dimension=32, max_tokens=8)
    await replica.switch.start(NEW)
    await world.until_stage(Stage.READY)
    await replica.switch.switch()
    assert replica.ids(world.models.new) == {"one"}
    alike = Likeness(long, await replica.spaces.embed(long), 0.5)
    for conditions in (Conditions(model="some/model"), Conditions(likeness=alike)):
        found, after = set[str](), ""
        while True:
            page = await replica.spaces.select("acme", conditions, now=world.clock(), limit=1, after=after)
            found |= {ref.id for ref in page.refs}
            after = page.after
            if not after:
                break
        assert long in found


async def test_flushed_entries_are_not_carried(world: MovingWorld, replica: Replica) -> None:
    await replica.store("flushed")
    world.epoch = await world.exact.flush("acme", "default")
    await replica.store("fresh")
    await replica.switch.start(NEW)
    await world.until_stage(Stage.READY)
    assert replica.ids(world.models.new) == {"fresh"}
    assert (await replica.spaces.delete_namespace("acme", None, before_epoch=world.epoch)) == 1


async def test_a_model_that_is_down_is_waited_for_and_holds_up_nothing(world: MovingWorld, replica: Replica) -> None:
    await replica.store("before")
    await replica.switch.start(NEW)
    world.models.new.down = True
    async with asyncio.timeout(1):
        await replica.store("meanwhile")
    await world.until(lambda: replica.spaces.lapses > 0)
    assert await replica.found("meanwhile") == ["meanwhile"]
    world.models.new.down = False
    await world.until_stage(Stage.READY)
    assert replica.ids(world.models.new) == {"before", "meanwhile"}


async def test_what_was_missed_while_ready_is_made_good_before_the_switch(world: MovingWorld, replica: Replica) -> None:
    await replica.switch.start(NEW)
    await world.until_stage(Stage.READY)
    world.models.new.down = True
    await replica.store("missed")
    await world.until(lambda: replica.spaces.lapses > 0)
    await world.until_stage(Stage.BUILDING)
    world.models.new.down = False
    await world.until_stage(Stage.READY)
    assert replica.ids(world.models.new) == {"missed"}


async def test_every_replica_switches(world: MovingWorld, replica: Replica) -> None:
    async with world.replica() as other:
        await replica.store("mine")
        await other.store("theirs")
        await replica.switch.start(NEW)
        await world.until_stage(Stage.READY)
        await other.switch.switch()
        await replica.migration.follow()
        assert {one.spaces.fingerprint for one in world.replicas} == {world.models.new.space.fingerprint}
        assert await replica.found("mine") == ["mine"]
        assert await other.found("theirs") == ["theirs"]


async def test_it_is_not_ready_before_every_replica_is(world: MovingWorld, replica: Replica) -> None:
    async def until(trouble: str) -> None:
        await world.until(lambda: trouble in replica.migration.view.trouble)

    await world.plan.exchange("stranger", Progress(""))
    await replica.switch.start(NEW)
    if world.shared:
        await until("not every replica")
    plan = replica.migration.view.plan
    assert plan is not None
    for _ in range(30):
        await world.plan.exchange("stranger", Progress(plan.id if not world.shared else "", mirrors=not world.shared))
        await replica.migration.follow()
        await asyncio.sleep(0.01)
        assert (await replica.standing()).plan.stage is Stage.BUILDING
    await world.plan.exchange("stranger", Progress(plan.id, mirrors=True, built=plan.rounds))
    await world.until_stage(Stage.READY)


async def test_a_restart_goes_on_where_it_was(world: MovingWorld) -> None:
    kept: dict[str, MemoryVectorStore] = {}
    async with world.replica(kept) as first:
        await first.store("one", "two")
        world.models.new.gate = asyncio.Event()
        await first.switch.start(NEW)
        await world.until(lambda: world.models.new.calls > 0)
    world.models.new.gate = None
    async with world.replica(kept) as second:
        await world.until_stage(Stage.READY)
        assert second.ids(world.models.new) == {"one", "two"}


async def test_a_restart_after_the_switch_serves_from_the_new_vectors_at_once(world: MovingWorld) -> None:
    kept: dict[str, MemoryVectorStore] = {}
    async with world.replica(kept) as first:
        await first.store("one")
        await first.switch.start(NEW)
        await world.until_stage(Stage.READY)
        await first.switch.switch()
    async with world.replica(kept) as second:
        assert second.spaces.fingerprint == world.models.new.space.fingerprint
        assert await second.found("one") == ["one"]


async def test_a_replica_that_starts_when_all_is_ready_has_it_looked_through_again(world: MovingWorld) -> None:
    kept: dict[str, MemoryVectorStore] = {}
    async with world.replica(kept) as first:
        await first.switch.start(NEW)
        await world.until_stage(Stage.READY)
        first.spaces.arrange(first.spaces.serving, None)  # as if it were killed between the two stores
        await first.store("missed")
    async with world.replica(kept) as second:
        await world.until(lambda: "missed" in second.ids(world.models.new))


async def test_the_old_model_may_go_after_the_switch(world: MovingWorld) -> None:
    kept: dict[str, MemoryVectorStore] = {}
    async with world.replica(kept) as first:
        await first.store("one")
        await first.switch.start(NEW)
        await world.until_stage(Stage.READY)
        await first.switch.switch()
    world.models.old.down = True
    async with world.replica(kept) as second:
        await world.until(lambda: second.spaces.beside is not None and second.spaces.beside.is_open)
        assert await second.spaces.delete("acme", ["one"]) == 1
        assert second.ids(world.models.old) == set()
        with pytest.raises(Unavailable):
            await second.switch.roll_back()


async def test_the_vectors_that_do_not_serve_are_removed_in_the_end(
    world: MovingWorld, replica: Replica, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("synapse_cache.reembedding.migration._REMOVE_AFTER_SECONDS", 0.05)
    await replica.store("one")
    await replica.switch.start(NEW)
    await world.until_stage(Stage.READY)
    await replica.switch.switch()
    assert replica.ids(world.models.old) == {"one"}
    world.clock.advance(3601)
    await world.until(lambda: replica.spaces.beside is None and replica.ids(world.models.old) == set())
    assert (await replica.standing()).plan.removed
    assert await replica.found("one") == ["one"]
    with pytest.raises(FailedPrecondition, match="no way back"):
        await replica.switch.roll_back()


async def test_building_may_be_given_up(world: MovingWorld, replica: Replica) -> None:
    world.models.new.gate = asyncio.Event()
    await replica.store("one")
    await replica.switch.start(NEW)
    await replica.switch.roll_back()
    assert (await replica.standing()).plan.stage is Stage.ROLLED_BACK
    world.models.new.gate.set()
    await replica.switch.start(ALIAS)
    await world.until_stage(Stage.READY)


@pytest.mark.parametrize(("model", "why"), [("nobody", "no model 'nobody' is served; there are: old, new")])
async def test_a_model_that_is_not_served_is_refused_by_name(replica: Replica, model: str, why: str) -> None:
    with pytest.raises(InvalidArgument, match=why):
        await replica.switch.start(model)


async def test_what_is_in_the_way_is_told(world: MovingWorld, replica: Replica) -> None:
    with pytest.raises(FailedPrecondition, match="serve already"):
        await replica.switch.start("old")
    await replica.switch.start(NEW)
    await replica.switch.start(NEW)
    with pytest.raises(FailedPrecondition, match="being built"):
        await replica.switch.start("old")
    world.models.old.down = world.models.new.down = True
    with pytest.raises(InvalidArgument):
        await replica.switch.start(NEW)


async def test_progress_is_counted(world: MovingWorld, replica: Replica) -> None:
    await replica.store(*(f"entry{number}" for number in range(9)))
    await replica.switch.start(NEW)
    await world.until_stage(Stage.READY)
    standing = await replica.standing()
    assert (standing.done, standing.total, standing.trouble) == (9, 9, "")


async def test_a_vector_of_another_space_than_planned_is_never_stored(world: MovingWorld, replica: Replica) -> None:
    await replica.switch.start(NEW)
    await world.until_stage(Stage.READY)
    beside = replica.spaces.beside
    assert beside is not None
    world.models.new.space = type(world.models.new.space)(NEW, "another space", 32)
    with pytest.raises(StoreUnavailable, match="another space"):
        await beside.embed("text")


async def test_a_store_that_lost_the_plan_is_given_it_again(world: MovingWorld, replica: Replica) -> None:
    await replica.store("one")
    await replica.switch.start(NEW)
    await world.until_stage(Stage.READY)
    await replica.switch.switch()
    world.plan._version, world.plan._plan = 0, None
    await world.until(lambda: world.plan._plan is not None)
    assert (await replica.standing()).plan.stage is Stage.SWITCHED
