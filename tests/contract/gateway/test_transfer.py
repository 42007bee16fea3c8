"""Export and import over REST: JSON lines and arrays, read and written as they come."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator

from synapse.cache.v1 import entry_pb2
from synapse_runtime.errors import Unavailable
from tests.contract.gateway.conftest import World

VIEWER = {"authorization": "Bearer sk-viewer"}
LINES = {"content-type": "application/x-ndjson"}
IMPORT, EXPORT = "/api/v1/cache:import", "/api/v1/cache:export"
TWO = [entry_pb2.Entry(id="one", key_version=2, vector=[0.5]), entry_pb2.Entry(id="two")]


async def test_an_export_is_lines_where_those_are_accepted(world: World) -> None:
    world.mesh.cache.entries = TWO
    for kind in ("application/x-ndjson", "application/jsonl"):
        got = await world.http.get(EXPORT, headers={"accept": f"text/csv;q=1, {kind}; q=0.9"})
        assert got.headers["content-type"] == kind
        lines = [json.loads(line) for line in got.text.splitlines()]
        assert lines == [{"id": "one", "key_version": 2, "vector": [0.5]}, {"id": "two"}]


async def test_an_export_is_an_array_otherwise(world: World) -> None:
    world.mesh.cache.entries = TWO
    got = await world.http.get(EXPORT, params={"namespace": "docs", "vectors": "true"})
    assert [entry["id"] for entry in got.json()] == ["one", "two"]
    (asked,) = world.mesh.cache.requests
    assert (asked.namespace, asked.vectors) == ("docs", True)


async def test_an_export_of_nothing_has_no_line(world: World) -> None:
    got = await world.http.get(EXPORT, headers={"accept": "application/x-ndjson"})
    assert (got.status_code, got.text) == (200, "")
    assert (await world.http.get(EXPORT)).json() == []


async def test_lines_become_entries_with_the_parameters_of_all(world: World) -> None:
    body = b'{"id": "one"}\n\n  {"id": "two", "exactOnly": true}\r\n{"id": "three"}'
    got = await world.http.post(f"{IMPORT}?namespace=docs&ttl=60s", content=body, headers=LINES)
    assert got.json()["imported"] == "3"
    seen = world.mesh.cache.requests
    assert [(one.entry.id, one.line, one.namespace) for one in seen] == [
        ("one", 1, "docs"),
        ("two", 3, "docs"),
        ("three", 4, "docs"),
    ]
    assert seen[1].entry.exact_only
    assert seen[0].ttl.seconds == 60


async def test_the_first_lines_number_may_be_told(world: World) -> None:
    await world.http.post(f"{IMPORT}?line=101", content=b'{"id": "one"}\n{"id": "two"}\n', headers=LINES)
    assert [one.line for one in world.mesh.cache.requests] == [101, 102]


async def test_a_line_that_holds_no_entry_is_told_and_the_others_go_in(world: World) -> None:
    body = b'{"id": "one"}\n{broken\n[1]\n{"idd": "x"}\n{"id": 7}\n{"id": "two"}\n'
    got = (await world.http.post(IMPORT, content=body, headers=LINES)).json()
    assert (got["imported"], got["refused"]) == ("2", "4")
    assert got["errors"][:3] == [
        "line 2: the line is not JSON",
        "line 3: it is not a JSON object",
        "line 4: Unknown member 'entry.idd'.",
    ]
    assert got["errors"][3].startswith("line 5: ")


async def test_a_line_that_is_too_long_is_passed_over(world_with) -> None:
    async with world_with(max_body_bytes=1024) as world:
        body = b'{"id": "one"}\n{"prompt": "' + b"x" * 5000 + b'"}\n{"id": "two"}\n'
        got = (await world.http.post(IMPORT, content=body, headers=LINES)).json()
    assert (got["imported"], got["errors"]) == ("2", ["line 2: the line is too long"])


async def test_an_array_is_taken_like_lines(world: World) -> None:
    got = await world.http.post(IMPORT, json=[{"id": "one"}, 7, {"id": "two"}])
    assert (got.json()["imported"], got.json()["errors"]) == ("2", ["line 2: it is not a JSON object"])
    assert (await world.http.post(IMPORT, json={"id": "one"})).status_code == 400


async def test_a_body_of_another_type_is_415(world: World) -> None:
    got = await world.http.post(IMPORT, content=b"id\n1\n", headers={"content-type": "text/csv"})
    assert (got.status_code, got.json()["error"]["code"]) == (415, "unsupported_media_type")


async def test_lines_arrive_while_more_are_sent(world: World) -> None:
    arrived = asyncio.Event()

    async def body() -> AsyncIterator[bytes]:
        yield b'{"id": "one"}\n{"id": '
        while not world.mesh.cache.requests:  # noqa: ASYNC110  # the double tells of nothing
            await asyncio.sleep(0.01)
        arrived.set()
        yield b'"two"}\n'

    got = await world.http.post(IMPORT, content=body(), headers=LINES)
    assert arrived.is_set()
    assert [one.entry.id for one in world.mesh.cache.requests] == ["one", "two"]
    assert got.json()["imported"] == "2"


async def test_an_import_that_ends_early_says_why(world: World) -> None:
    world.mesh.cache.failure = Unavailable("the stores are down")
    body = b'{"id": "one"}\n' * 50_000
    got = await world.http.post(IMPORT, content=body, headers=LINES)
    assert (got.status_code, got.json()["error"]["message"]) == (503, "the stores are down")


async def test_a_viewer_imports_nothing(world: World) -> None:
    got = await world.http.post(IMPORT, content=b'{"id": "one"}\n', headers={**VIEWER, **LINES})
    assert got.status_code == 403
    assert world.mesh.cache.requests == []


async def test_an_unknown_parameter_is_refused_before_the_body(world: World) -> None:
    got = await world.http.post(f"{IMPORT}?tll=60s", content=b'{"id": "one"}\n', headers=LINES)
    assert (got.status_code, got.json()["error"]["param"]) == (400, "tll")
    assert world.mesh.cache.requests == []
