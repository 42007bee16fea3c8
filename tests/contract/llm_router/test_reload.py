"""A new configuration takes over while calls run; a bad one is told, and changes nothing."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path

import grpc
import pytest

from synapse.router.v1 import router_pb2 as wire
from synapse_runtime.identity import Role
from tests.contract.llm_router.configured import ConfiguredRouter, admin, calls_as, reloads, serving
from tests.contract.llm_router.conftest import backend
from tests.support.openai_upstream import OpenAIDouble, openai_double


@pytest.fixture
async def other() -> AsyncIterator[OpenAIDouble]:
    """A second backend."""
    async with openai_double() as running:
        yield running


@pytest.fixture
async def router(tmp_path: Path, double: OpenAIDouble) -> AsyncIterator[ConfiguredRouter]:
    """A router of one backend that takes the model m."""
    router = ConfiguredRouter(tmp_path / "config.json")
    router.write(backend(double, api_key="sk-very-secret"))
    async with serving(router):
        yield router


async def test_an_edit_of_the_file_takes_effect(
    router: ConfiguredRouter, double: OpenAIDouble, other: OpenAIDouble
) -> None:
    before = reloads("applied")
    router.write(backend(other, name="other"))
    await router.until_backends_are("other")
    assert (await router.ask()).origin.backend == "other"
    assert not double.requests
    assert reloads("applied") == before + 1


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ("{", "is not JSON"),
        ('{"router": {"backends": [{"name": "a", "endpoint": "nowhere"}]}}', "router.backends.0.endpoint"),
        ('{"router": {"default_backend": "nobody"}}', "'nobody' is not among the backends"),
        ('{"router": {"prices_path": "/nowhere/prices.json"}}', "router.prices_path"),
        ('{"router": {"backends": [{"name": "a", "endpoint": "http://h", "api_key_env": "NOT_SET"}]}}', "NOT_SET"),
        ('{"rooter": {}}', "unknown section 'rooter'"),
    ],
)
async def test_a_bad_file_is_refused_and_the_old_one_stays(
    router: ConfiguredRouter, content: str, complaint: str
) -> None:
    before = reloads("rejected")
    router.write_text(content)
    assert complaint in await router.until_rejected()
    assert (await router.ask()).origin.backend == "double"
    assert (await router.config())["router"]["backends"][0]["name"] == "double"
    assert reloads("rejected") > before


async def test_a_mended_file_takes_effect(router: ConfiguredRouter, other: OpenAIDouble) -> None:
    router.write_text("{")
    await router.until_rejected()
    router.write(backend(other, name="other"))
    await router.until_backends_are("other")
    assert (await router.config())["rejected"] == ""


async def test_a_file_that_is_gone_changes_nothing(router: ConfiguredRouter) -> None:
    router.path.unlink()
    assert "cannot read" in await router.until_rejected()
    assert (await router.ask()).origin.backend == "double"


async def test_a_stream_under_way_ends_properly_on_its_old_backend(
    router: ConfiguredRouter, double: OpenAIDouble, other: OpenAIDouble
) -> None:
    double.behaviour.event_delay_seconds = 0.1
    stream = router.stream()
    pieces = [await stream.read()]
    router.write(backend(other, name="other"))
    await router.until_backends_are("other")
    while (piece := await stream.read()) is not grpc.aio.EOF:
        pieces.append(piece)
    text = "".join(delta.content for one in pieces for event in one.events for delta in event.deltas)
    assert text == "Hello there, how are you?"
    assert not double.abandoned.is_set()


async def test_what_did_not_change_keeps_its_connections_and_counts(
    router: ConfiguredRouter, double: OpenAIDouble, other: OpenAIDouble
) -> None:
    await router.ask()
    router.write(backend(double, api_key="sk-very-secret"), backend(other, name="other", models=["n"]))
    await router.until_backends_are("double", "other")
    await router.ask()
    told = (await router.stub.GetBackends(wire.GetBackendsRequest(), **admin())).backends[0]
    assert (told.request_count, double.connections) == (2, 1)


async def test_models_that_a_backend_listed_stay_known(tmp_path: Path, double: OpenAIDouble) -> None:
    router = ConfiguredRouter(tmp_path / "config.json")
    router.write(backend(double, models=[]))
    async with serving(router):
        await router.ask(model="double")
        router.write(backend(double, models=[]), backend(double, name="more", models=["n"]))
        await router.until_backends_are("double", "more")
        double.behaviour.models = ()
        assert (await router.ask(model="double")).origin.backend == "double"


async def test_a_swapped_link_is_seen_as_kubernetes_makes_it(
    tmp_path: Path, double: OpenAIDouble, other: OpenAIDouble
) -> None:
    router = ConfiguredRouter(tmp_path / "1.json")
    router.write(backend(double))
    (tmp_path / "data").symlink_to("1.json")
    router.path = tmp_path / "data"
    async with serving(router):
        next_one = ConfiguredRouter(tmp_path / "2.json")
        next_one.write(backend(other, name="other"))
        (tmp_path / "link").symlink_to("2.json")
        (tmp_path / "link").replace(tmp_path / "data")
        await router.until_backends_are("other")


async def test_a_key_file_that_changes_is_used(tmp_path: Path, double: OpenAIDouble) -> None:
    key = tmp_path / "key"
    key.write_text("sk-first\n")
    router = ConfiguredRouter(tmp_path / "config.json")
    router.write(backend(double, api_key_file=str(key)))
    async with serving(router):
        key.write_text("sk-second\n")
        async with asyncio.timeout(5):
            while True:
                await router.ask()
                if double.requests[-1].headers["authorization"] == "Bearer sk-second":
                    break


async def test_prices_that_change_are_used(tmp_path: Path, double: OpenAIDouble) -> None:
    prices = tmp_path / "prices.json"
    prices.write_text('{"prices": {"double": {"m": {"input": 1, "output": 1}}}}')
    router = ConfiguredRouter(tmp_path / "config.json")
    router.write(backend(double), prices_path=str(prices))
    async with serving(router):
        assert (await router.ask()).generation.usage.cost_nanos == 16_000
        prices.write_text('{"prices": {"double": {"m": {"input": 1, "output": 2}}}}')
        assert (await router.reload()).changed
        assert (await router.ask()).generation.usage.cost_nanos == 23_000


async def test_an_admin_may_ask_for_it_and_is_told_what_changed(tmp_path: Path, double: OpenAIDouble) -> None:
    router = ConfiguredRouter(tmp_path / "config.json")
    stays, goes = backend(double, name="stays"), backend(double, name="goes")
    router.write(stays, goes, backend(double, name="differs"), reload_seconds=0)
    async with serving(router):
        router.write(
            stays, backend(double, name="differs", models=["n"]), backend(double, name="comes"), reload_seconds=0
        )
        told = await router.reload()
        assert told.changed
        assert (told.added_backends, told.removed_backends) == (["comes"], ["goes"])
        assert told.changed_backends == ["differs"]
        assert not (await router.reload()).changed


async def test_a_check_changes_nothing(tmp_path: Path, double: OpenAIDouble) -> None:
    router = ConfiguredRouter(tmp_path / "config.json")
    router.write(backend(double), reload_seconds=0)
    async with serving(router):
        router.write(backend(double, name="other"), reload_seconds=0)
        assert (await router.reload(validate_only=True)).added_backends == ["other"]
        assert await router.backends() == ["double"]


async def test_a_bad_one_is_refused_to_the_admin(tmp_path: Path, double: OpenAIDouble) -> None:
    router = ConfiguredRouter(tmp_path / "config.json")
    router.write(backend(double), reload_seconds=0)
    async with serving(router):
        router.write(backend(double), default_backend="nobody", reload_seconds=0)
        for validate_only in (True, False):
            with pytest.raises(grpc.aio.AioRpcError, match="'nobody' is not among the backends") as refusal:
                await router.reload(validate_only=validate_only)
            assert refusal.value.code() is grpc.StatusCode.FAILED_PRECONDITION
        assert await router.backends() == ["double"]


@pytest.mark.parametrize("role", [Role.VIEWER, Role.OPERATOR])
async def test_the_configuration_is_for_admins_alone(router: ConfiguredRouter, role: Role) -> None:
    for call in (
        router.stub.GetConfig(wire.GetConfigRequest(), **calls_as(role)),
        router.stub.ReloadConfig(wire.ReloadConfigRequest(), **calls_as(role)),
    ):
        with pytest.raises(grpc.aio.AioRpcError) as refusal:
            await call
        assert refusal.value.code() is grpc.StatusCode.PERMISSION_DENIED


async def test_the_configuration_is_shown_with_its_secrets_masked(router: ConfiguredRouter) -> None:
    told = await router.config()
    assert told["router"]["backends"][0]["api_key"] == "**********"
    assert "sk-very-secret" not in json.dumps(told)
    assert "mesh-secret" not in json.dumps(told)


async def test_what_takes_a_restart_is_told(router: ConfiguredRouter, double: OpenAIDouble) -> None:
    router.write(backend(double, api_key="sk-very-secret"), listen="127.0.0.1:1")
    told = await router.reload()
    assert (told.changed, told.needs_restart) == (True, ["router.listen"])
    assert (await router.config())["needs_restart"] == ["router.listen"]


async def test_the_environment_still_lies_over_the_file(tmp_path: Path, double: OpenAIDouble) -> None:
    router = ConfiguredRouter(tmp_path / "config.json")
    router.write(backend(double))
    async with serving(router, SYNAPSE_ROUTER__BACKENDS__DOUBLE__API_KEY="sk-from-variable"):
        router.write(backend(double, max_connections=7))
        await router.reload()
        await router.ask()
        assert double.requests[-1].headers["authorization"] == "Bearer sk-from-variable"
