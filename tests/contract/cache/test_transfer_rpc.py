"""Export and import over a real gRPC channel."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from google.protobuf.duration_pb2 import Duration

from synapse.cache.v1 import transfer_pb2 as wire
from synapse.cache.v1.cache_pb2_grpc import CacheServiceStub
from synapse.cache.v1.entry_pb2 import Entry
from synapse.llm.v1 import generation_pb2 as llm
from synapse_cache.app import SERVICE
from synapse_cache.invalidation.conditions import Conditions
from synapse_cache.keys import VERSION
from synapse_cache.model import Place, Policy, Status
from synapse_cache.rpc.transfer import TransferRpc
from synapse_cache.transfer.export import Export
from synapse_cache.transfer.intake import Intake, IntakeRules
from synapse_runtime import errors
from synapse_runtime.channel import CallMetadata, open_channel, own_errors
from synapse_runtime.identity import Identity, Role
from synapse_runtime.server import Service, serving
from synapse_runtime.settings import MeshSettings
from tests.support.cache_world import CacheWorld, a_generation, a_request, cache_world

MESH = MeshSettings.model_validate({"secret": "test-secret", "drain_seconds": 1})
QUESTIONS = ("What is the capital of France?", "How many legs does a spider have?", "Who wrote Hamlet?")


@dataclass
class Door:
    """The service's stub, and the world behind it."""

    stub: CacheServiceStub
    world: CacheWorld

    def as_(self, role: Role = Role.OPERATOR, tenant: str = "acme") -> dict[str, Any]:
        return {"metadata": CallMetadata(MESH).of(Identity(tenant, "test", role), "req-1"), "timeout": 30}

    async def filled(self) -> None:
        """Answers to three questions, in every store."""
        for text in QUESTIONS:
            await self.world.ask(text, policy=Policy(tags=("faq",)))
        await self.world.settled()

    async def exported(self, *, role: Role = Role.OPERATOR, tenant: str = "acme", **wanted: Any) -> list[Entry]:
        with own_errors():
            call = self.stub.ExportEntries(wire.ExportEntriesRequest(**wanted), **self.as_(role, tenant))
            return [reply.entry async for reply in call]

    async def imported(
        self, entries: Iterable[Entry], *, role: Role = Role.OPERATOR, tenant: str = "acme", **rest: Any
    ) -> wire.ImportEntriesResponse:
        async def requests() -> AsyncIterator[wire.ImportEntriesRequest]:
            for entry in entries:
                yield wire.ImportEntriesRequest(entry=entry, **rest)

        with own_errors():
            reply: wire.ImportEntriesResponse = await self.stub.ImportEntries(requests(), **self.as_(role, tenant))
        return reply

    async def hits(self, *, tenant: str = "acme", namespace: str = "default") -> list[bool]:
        served = [await self.world.ask(text, tenant=tenant, namespace=namespace) for text in QUESTIONS]
        return [one.outcome.status is Status.HIT for one in served]


@asynccontextmanager
async def opened(rules: IntakeRules) -> AsyncIterator[Door]:
    async with cache_world() as world:
        parts = (world.stores, world.recent, world.recalls, world.thresholds)
        stores, recent, recalls, thresholds = parts
        export = Export(stores, recent, recalls, thresholds, clock=world.clock)
        intake = Intake(stores, world.writer, recent, recalls, thresholds, rules=rules, clock=world.clock)
        async with (
            serving("127.0.0.1:0", [Service(SERVICE, TransferRpc(export, intake))], mesh=MESH) as server,
            open_channel(f"127.0.0.1:{server.port}", linked=False) as channel,
        ):
            yield Door(CacheServiceStub(channel), world)


@pytest.fixture
async def door() -> AsyncIterator[Door]:
    async with opened(IntakeRules(per_second=10_000)) as made:
        yield made


def changed(entry: Entry, **changes: Any) -> Entry:
    """A copy of `entry` with `changes`; None clears a field."""
    copy = Entry()
    copy.CopyFrom(entry)
    for name, value in changes.items():
        copy.ClearField(name)  # type: ignore[arg-type]  # any field's name
        if value is not None:
            copy.MergeFrom(Entry(**{name: value}))
    return copy


async def test_what_was_exported_flushed_and_imported_hits_again(door: Door) -> None:
    await door.filled()
    entries = await door.exported()
    await door.world.invalidation.flush(Place("acme"))
    assert await door.exported() == []
    assert (await door.imported(entries)).imported == len(QUESTIONS)
    assert await door.hits() == [True] * 3


async def test_an_export_shows_each_entry_once_wherever_it_lies(door: Door) -> None:
    for text in QUESTIONS[:2]:
        await door.world.ask(text)
    await door.world.settled()
    door.world.recent.clear()
    await door.world.ask(QUESTIONS[2])
    exact_only = a_request("My e-mail is jo@example.org, what is yours?")
    await door.world.ask(exact_only)
    entries = await door.exported()
    assert sorted(entry.prompt for entry in entries) == sorted([*QUESTIONS, ""])
    await door.world.settled()
    door.world.recent.clear()
    assert {entry.id for entry in await door.exported()} == {entry.id for entry in entries}


async def test_an_exported_entry_is_whole_and_tells_the_version_of_its_key(door: Door) -> None:
    await door.world.ask(QUESTIONS[0], policy=Policy(tags=("faq",)))
    (entry,) = await door.exported()
    assert (entry.prompt, entry.key_version, list(entry.tags)) == (QUESTIONS[0], VERSION, ["faq"])
    assert entry.generation.choices[0].content == "Paris."
    assert not entry.vector
    assert not entry.embedder


async def test_vectors_come_along_when_they_are_asked_for(door: Door) -> None:
    await door.filled()
    for recent in (True, False):
        if not recent:
            door.world.recent.clear()
        entries = await door.exported(vectors=True)
        for entry in entries:
            embedding = await door.world.embedder.embed(entry.prompt)
            assert entry.embedder == embedding.fingerprint
            assert np.allclose(entry.vector, embedding.vector, atol=1e-6)


@pytest.mark.parametrize(
    ("wanted", "count"),
    [({"namespace": "docs"}, 1), ({"tag": "faq"}, 3), ({"tag": "x"}, 0), ({"model": "m"}, 4), ({"model": "n"}, 0)],
)
async def test_an_export_may_be_of_a_part(door: Door, wanted: dict[str, str], count: int) -> None:
    await door.filled()
    await door.world.ask(QUESTIONS[0], namespace="docs")
    assert len(await door.exported(**wanted)) == count


async def test_what_is_expired_flushed_or_invalidated_is_not_exported(door: Door) -> None:
    await door.filled()
    await door.world.ask(QUESTIONS[0], namespace="docs", policy=Policy(ttl_seconds=5))
    await door.world.settled()
    door.world.clock.advance(6)
    assert await door.exported(namespace="docs") == []
    door.world.clock.advance(8000)
    assert await door.exported() == []


async def test_another_tenants_entries_are_neither_exported_nor_replaced(door: Door) -> None:
    await door.filled()
    assert await door.exported(tenant="globex") == []
    entries = await door.exported()
    assert (await door.imported(entries, tenant="globex")).imported == 3
    assert {entry.tenant for entry in await door.exported(tenant="globex")} == {"globex"}
    assert await door.hits() == [True] * 3


async def test_importing_twice_changes_nothing(door: Door) -> None:
    await door.filled()
    entries = await door.exported(vectors=True)
    assert (await door.imported(entries)).unchanged == 3
    await door.world.invalidation.flush(Place("acme"))
    assert (await door.imported(entries)).imported == 3
    await door.world.settled()
    before = await door.exported()
    again = await door.imported(entries)
    assert (again.imported, again.unchanged) == (0, 3)
    assert sorted(entry.id for entry in await door.exported()) == sorted(entry.id for entry in before)


async def test_only_a_newer_answer_replaces_what_is_there(door: Door) -> None:
    await door.filled()
    (entry,) = [one for one in await door.exported() if one.prompt == QUESTIONS[0]]
    door.world.clock.advance(60)
    older, newer = changed(entry, generation=a_generation("Lyon.")), changed(entry, generation=a_generation("Paris!"))
    older.create_time.seconds -= 10
    newer.create_time.seconds += 10
    assert (await door.imported([older])).unchanged == 1
    assert (await door.imported([newer, older])).imported == 1
    served = (await door.world.ask(QUESTIONS[0])).answer
    assert llm.Generation.FromString(served or b"").choices[0].content == "Paris!"


async def test_an_imported_id_never_names_an_entry_here(door: Door) -> None:
    await door.filled()
    mine, other, _ = await door.exported()
    forged = changed(other, id=mine.id, key="f" * 64)
    assert (await door.imported([forged])).imported == 1
    found = await door.exported()
    assert len(found) == 4
    assert [one.key for one in found if one.id == mine.id] == [mine.key]


async def test_a_vector_that_came_along_is_not_made_anew(door: Door) -> None:
    await door.filled()
    entries = await door.exported(vectors=True)
    await door.world.invalidation.flush(Place("acme"))
    calls = door.world.embedder.calls
    await door.imported(entries)
    await door.world.settled()
    assert door.world.embedder.calls == calls


async def test_a_vector_of_another_space_or_length_is_made_anew(door: Door) -> None:
    await door.filled()
    first, second, _ = await door.exported(vectors=True)
    await door.world.invalidation.flush(Place("acme"))
    strange = [changed(first, embedder="other"), changed(second, vector=[2.0] * len(second.vector))]
    calls = door.world.embedder.calls
    assert (await door.imported(strange)).imported == 2
    await door.world.settled()
    assert door.world.embedder.calls == calls + 2


LENGTH, FILTERED = llm.FINISH_REASON_LENGTH, llm.FINISH_REASON_CONTENT_FILTER
BROKEN: Sequence[tuple[dict[str, Any], str]] = [
    ({"key_version": VERSION - 1}, f"version {VERSION - 1}, keys here are of version {VERSION}"),
    ({"key_version": None}, "does not tell the version"),
    ({"key": "xyz"}, "key must be"),
    ({"key": "A" * 64}, "key must be"),
    ({"scope": ""}, "key must be"),
    ({"namespace": "a b"}, "namespace must be"),
    ({"model": ""}, "model must have"),
    ({"prompt": ""}, "prompt must have"),
    ({"prompt": "x" * 8001}, "prompt must have"),
    ({"tags": ["t"] * 17}, "tags: at most"),
    ({"create_time": None}, "does not tell when"),
    ({"generation": None}, "the write gates: incomplete"),
    ({"generation": a_generation(finish=LENGTH)}, "the write gates: incomplete"),
    ({"generation": a_generation(finish=FILTERED)}, "the write gates: incomplete"),
    ({"generation": a_generation("")}, "the write gates: empty"),
    ({"prompt": "What time is it now?"}, "the write gates: live"),
]


@pytest.mark.parametrize(("changes", "why"), BROKEN)
async def test_what_cannot_be_is_refused_with_its_line_and_the_others_go_in(
    door: Door, changes: dict[str, Any], why: str
) -> None:
    await door.filled()
    good, other, _ = await door.exported()
    await door.world.invalidation.flush(Place("acme"))
    reply = await door.imported([good, changed(other, **changes)])
    assert (reply.imported, reply.refused) == (1, 1)
    assert reply.errors[0].startswith("line 2: ")
    assert why in reply.errors[0]


async def test_the_first_twenty_reasons_are_told_and_all_are_counted(door: Door) -> None:
    reply = await door.imported([Entry()] * 30, line=7)
    assert (reply.refused, len(reply.errors)) == (30, 20)
    assert reply.errors[0].startswith("line 7: ")


async def test_a_made_up_future_is_refused(door: Door) -> None:
    await door.filled()
    entry = (await door.exported())[0]
    entry.create_time.seconds += 3600
    assert "in the future" in (await door.imported([entry])).errors[0]


async def test_a_lifetime_may_be_given_within_the_thresholds(door: Door) -> None:
    await door.filled()
    entries = await door.exported()
    door.world.clock.advance(1000)
    reply = await door.imported(entries, namespace="copy", ttl=Duration(seconds=100_000))
    assert reply.imported == 3
    thresholds = door.world.thresholds.of("acme")
    for entry in await door.exported(namespace="copy"):
        made, ends = entry.create_time.ToSeconds(), entry.expire_time.ToSeconds()
        assert ends - made == pytest.approx(thresholds.ttl_seconds, abs=2)
    assert await door.hits(namespace="copy") == [True] * 3


async def test_what_is_past_its_life_is_counted_and_left_out(door: Door) -> None:
    await door.filled()
    entries = await door.exported()
    door.world.clock.advance(8000)
    reply = await door.imported(entries)
    assert (reply.expired, reply.imported) == (3, 0)


async def test_what_lives_by_meaning_only_is_taken_in_once(door: Door) -> None:
    await door.filled()
    entries = await door.exported()
    door.world.clock.advance(5000)
    await door.world.invalidation.flush(Place("acme"))
    assert (await door.imported(entries)).imported == 3
    await door.world.settled()
    assert (await door.imported(entries)).unchanged == 3


async def test_what_was_invalidated_since_it_was_made_stays_out(door: Door) -> None:
    await door.filled()
    entries = await door.exported()
    door.world.clock.advance(10)
    order = door.world.invalidation.order("acme", Conditions(tag="faq"), actor="test")
    await door.world.invalidation.carry_out(order)
    assert await door.exported() == []
    reply = await door.imported(entries)
    assert reply.refused == 3
    assert "invalidated" in reply.errors[0]


async def test_private_prompts_are_imported_for_their_exact_key_only(door: Door) -> None:
    await door.filled()
    entry = changed((await door.exported())[0], prompt="Is jo@example.org right?", key="e" * 64)
    assert (await door.imported([entry])).imported == 1
    assert [one.exact_only for one in await door.exported() if one.key == "e" * 64] == [True]


async def test_imports_keep_to_their_pace() -> None:
    async with opened(IntakeRules(per_second=50)) as door:
        await door.filled()
        entry = (await door.exported())[0]
        began = time.monotonic()
        await door.imported(changed(entry, key=f"{number:064x}") for number in range(30))
        assert time.monotonic() - began > 0.4


async def test_a_journal_that_takes_nothing_ends_an_import_with_what_was_done(door: Door) -> None:
    await door.filled()
    entries = await door.exported()
    await door.world.invalidation.flush(Place("acme"))
    await door.imported(entries[:1])
    await door.world.settled()
    await door.world.journal.close()
    with pytest.raises(errors.Unavailable, match=r"journal.*0 of 1 entries"):
        await door.imported(entries)


async def test_a_viewer_neither_exports_nor_imports(door: Door) -> None:
    for work in (door.exported(role=Role.VIEWER), door.imported([Entry()], role=Role.VIEWER)):
        with pytest.raises(errors.PermissionDenied):
            await work


async def test_a_namespace_that_cannot_be_ends_the_whole(door: Door) -> None:
    for work in (door.exported(namespace="a b"), door.imported([Entry()], namespace="a b")):
        with pytest.raises(errors.InvalidArgument):
            await work
