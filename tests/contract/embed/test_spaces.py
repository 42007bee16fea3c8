"""The service over backends: spaces never mix, outages are told, what does not fit ends the start."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import pytest

from synapse_embed.app import run
from synapse_embed.settings import EmbedSettings
from synapse_runtime import errors
from synapse_runtime.settings import SettingsError
from tests.contract.embed.client import LOOPBACK, MESH, Client, service
from tests.contract.embed.remotes import WINDOW
from tests.support.openai_embeddings import EmbeddingsDouble, embeddings_double
from tests.support.tei_server import TeiHttpDouble, tei_grpc, tei_http
from tests.support.triton_double import TritonDouble, triton_double

LONG = "cat " * 300


@pytest.fixture
async def tei() -> AsyncIterator[TeiHttpDouble]:
    async with tei_http() as double:
        yield double


@pytest.fixture
async def openai() -> AsyncIterator[EmbeddingsDouble]:
    async with embeddings_double() as double:
        yield double


@pytest.fixture
async def triton() -> AsyncIterator[TritonDouble]:
    async with triton_double() as double:
        yield double


def of_tei(double: TeiHttpDouble, **section: Any) -> dict[str, Any]:
    return {"provider": "tei", "tei": {"endpoint": double.url, **section}}


def of_openai(double: EmbeddingsDouble, **section: Any) -> dict[str, Any]:
    named = {"endpoint": double.url, "model": "all-minilm", "max_tokens": WINDOW, **section}
    return {"provider": "openai", "openai": named}


def of_triton(double: TritonDouble, **section: Any) -> dict[str, Any]:
    named = {"endpoint": double.target, "model": "minilm", "max_tokens": WINDOW, **section}
    return {"provider": "triton", "triton": named}


async def fingerprint(values: dict[str, Any]) -> str:
    async with service(**values) as client:
        return (await client.embed("a")).fingerprint


Turn = Callable[[TeiHttpDouble], None]


def served(**values: Any) -> Turn:
    def turn(double: TeiHttpDouble) -> None:
        for name, value in values.items():
            setattr(double.served, name, value)

    return turn


@pytest.mark.parametrize(
    ("turn", "section"),
    [
        (served(model_id="other"), {}),
        (served(model_sha="0" * 40), {}),
        (served(dimension=128), {}),
        (served(pooling="cls"), {}),
        (served(dtype="float16"), {}),
        (served(), {"prefix": "query: "}),
    ],
)
async def test_any_other_fact_about_tei_is_another_space(
    tei: TeiHttpDouble, turn: Turn, section: dict[str, Any]
) -> None:
    first = await fingerprint(of_tei(tei))
    assert await fingerprint(of_tei(tei)) == first
    turn(tei)
    assert await fingerprint(of_tei(tei, **section)) != first


async def test_any_other_fact_about_openai_is_another_space(openai: EmbeddingsDouble) -> None:
    openai.served.members.add("input_type")
    sections: list[dict[str, Any]] = [
        {"dimensions": 128},
        {"revision": "2"},
        {"prefix": "query: "},
        {"extra": {"input_type": "query"}},
        {"extra": {"input_type": "document"}},
    ]
    first = await fingerprint(of_openai(openai))
    assert await fingerprint(of_openai(openai)) == first
    others = {await fingerprint(of_openai(openai, **section)) for section in sections}
    openai.served.told_model = "all-minilm-2"
    others.add(await fingerprint(of_openai(openai)))
    assert len(others | {first}) == len(sections) + 2


async def test_any_other_fact_about_triton_is_another_space(triton: TritonDouble) -> None:
    first = await fingerprint(of_triton(triton))
    assert await fingerprint(of_triton(triton)) == first
    others = {await fingerprint(of_triton(triton, **one)) for one in ({"revision": "2"}, {"prefix": "query: "})}
    triton.served.version = "2"
    others.add(await fingerprint(of_triton(triton)))
    triton.served.outputs = {"embedding": ("FP16", [384])}
    others.add(await fingerprint(of_triton(triton, datatype="FP16")))
    assert len(others | {first}) == 5


async def test_words_in_one_fact_cannot_pass_for_another(tei: TeiHttpDouble) -> None:
    one = await fingerprint(of_tei(tei, prefix="a;normalisation=none"))
    assert one.count("normalisation=") == 1


async def test_a_replaced_model_never_answers_under_the_old_name(tei: TeiHttpDouble) -> None:
    async with service(**of_tei(tei), check_seconds=0, kept_vectors=0) as client:
        before = await client.embed("a cat")
        tei.served.model_sha = "0" * 40
        tei.behaviour.hang_up_on_reuse = True  # the server was started anew
        with pytest.raises(errors.Unavailable) as refused:
            await client.embed("a cat")
        assert refused.value.reason == "MODEL_CHANGED"
        await asyncio.sleep(0.2)
        seen = [await client.embed("a cat") for _ in range(5)]
        assert all(answer.fingerprint != before.fingerprint for answer in seen)
        (model,) = (await client.stub.ListModels(client.nothing, timeout=5)).models
        assert model.fingerprint == seen[-1].fingerprint


async def test_a_replaced_model_is_found_by_looking_too(tei: TeiHttpDouble) -> None:
    async with service(**of_tei(tei), check_seconds=0.05) as client:
        before = await client.embed("a cat")
        tei.served.dimension = 128
        await asyncio.sleep(0.3)
        after = await client.embed("a cat")
    assert after.fingerprint != before.fingerprint
    assert len(after.embeddings[0].values) == 128


async def test_another_dimension_than_the_settings_ends_the_start(tei: TeiHttpDouble) -> None:
    with pytest.raises(SettingsError, match=r"embed\.dimension is 1024, but the vectors of .* have 384 dimensions"):
        async with service(**of_tei(tei), dimension=1024):
            pass


async def test_a_wrong_key_ends_the_start(tei: TeiHttpDouble) -> None:
    tei.served.api_key = "right"
    with pytest.raises(SettingsError, match="401"):
        async with service(**of_tei(tei, api_key="wrong")):
            pass


async def test_a_backend_that_never_comes_ends_the_start_as_something_that_cannot_be_had() -> None:
    async with tei_http() as gone:
        pass
    with pytest.raises(ConnectionError, match="cannot be reached"):
        async with service(**of_tei(gone), start_seconds=0.3):
            pass


@asynccontextmanager
async def starting(values: dict[str, Any]) -> AsyncIterator[asyncio.Task[str]]:
    """A service that is starting; the result is the fingerprint when it is ready."""

    async def start() -> str:
        settings = EmbedSettings.model_validate({"listen": LOOPBACK, "probes": LOOPBACK, **values})
        async with run(settings, MESH) as running:
            assert running.ready
            return "ready"

    task = asyncio.create_task(start())
    await asyncio.sleep(0.2)
    yield task


async def test_a_backend_that_is_still_loading_is_waited_for(tei: TeiHttpDouble) -> None:
    tei.served.unhealthy = True
    async with starting(of_tei(tei)) as task:
        assert not task.done()
        tei.served.unhealthy = False
        async with asyncio.timeout(5):
            assert await task == "ready"


async def test_an_outage_is_told_by_the_probes_and_its_end_too(tei: TeiHttpDouble) -> None:
    async with service(**of_tei(tei), check_seconds=0.05) as client:
        assert await ready(client) == (200, True)
        tei.served.unhealthy = True
        await asyncio.sleep(0.4)
        assert await ready(client) == (503, False)
        assert "synapse_embedding_backend_up 0.0" in (await client.get("/metrics"))[1]
        tei.served.unhealthy = False
        await asyncio.sleep(0.2)
        assert await ready(client) == (200, True)


async def ready(client: Client) -> tuple[int, bool]:
    status, body = await client.get("/ready")
    return status, json.loads(body)["ready"]


async def test_kept_vectors_answer_through_an_outage(tei: TeiHttpDouble) -> None:
    async with service(**of_tei(tei), check_seconds=0) as client:
        await client.embed("known")
        tei.served.unhealthy = True
        assert (await client.embed("known")).embeddings
        with pytest.raises(errors.Unavailable):
            await client.embed("known", "new")


async def test_a_batch_asks_only_for_what_is_not_known_and_answers_in_its_order(tei: TeiHttpDouble) -> None:
    async with service(**of_tei(tei), check_seconds=0) as client:
        known = {text: (await client.embed(text)).embeddings[0].values for text in ("a", "b")}
        answer = await client.embed("new", "b", "new", "a", "other", "b")
        alone = {text: (await client.embed(text)).embeddings[0].values for text in ("new", "other")}
    assert tei.asked("/embed")[-1]["inputs"] == ["new", "other"]
    expected = [(known | alone)[text] for text in ("new", "b", "new", "a", "other", "b")]
    assert [one.values for one in answer.embeddings] == expected


async def test_overload_comes_back_as_such_with_a_time_to_wait(tei: TeiHttpDouble) -> None:
    async with service(**of_tei(tei), check_seconds=0) as client:
        tei.served.overloaded = True
        with pytest.raises(errors.ResourceExhausted) as busy:
            await client.embed("a")
    assert busy.value.reason == "EMBED_BACKEND_BUSY"
    assert busy.value.retry_after_seconds


async def test_a_full_queue_before_a_backend_says_when_to_come_back(tei: TeiHttpDouble) -> None:
    async with service(**of_tei(tei), check_seconds=0, queue_texts=4, max_inputs=4, calls=1) as client:
        tei.served.delay_seconds = 0.2
        asked = [client.embed(*(f"{i} {j}" for j in range(4))) for i in range(5)]
        answers = await asyncio.gather(*asked, return_exceptions=True)
    refused = [answer for answer in answers if isinstance(answer, errors.ResourceExhausted)]
    assert len(refused) == 4
    assert all(error.reason == "EMBED_QUEUE_FULL" and error.retry_after_seconds for error in refused)


async def test_a_long_text_is_cut_or_refused_as_the_request_says(tei: TeiHttpDouble) -> None:
    async with service(**of_tei(tei)) as client:
        answer = await client.embed("a", LONG)
        assert [one.truncated for one in answer.embeddings] == [False, True]
        with pytest.raises(errors.InvalidArgument, match="input 1 is longer") as refused:
            await client.embed("a", LONG, truncate=False)
    assert refused.value.reason == "TEXT_TOO_LONG"


async def test_the_service_answers_over_grpc_as_over_http(tei: TeiHttpDouble) -> None:
    async with AsyncExitStack() as stack:
        other = await stack.enter_async_context(tei_grpc())
        one = await stack.enter_async_context(service(**of_tei(tei)))
        two = await stack.enter_async_context(service(provider="tei", tei={"endpoint": f"grpc://{other.target}"}))
        answers = [await client.embed("a", LONG, "b") for client in (one, two)]
    assert [one.values for one in answers[0].embeddings] == [one.values for one in answers[1].embeddings]
    assert [one.truncated for one in answers[0].embeddings] == [one.truncated for one in answers[1].embeddings]
