"""A model leads to its backend, and the list of models says what can be asked."""

from __future__ import annotations

import socket
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import grpc
import pytest

from synapse.router.v1 import router_pb2 as wire
from tests.contract.llm_router.conftest import Stub, backend, details_of, question, router_of
from tests.support.openai_upstream import OpenAIDouble, openai_double


@pytest.fixture
async def two() -> AsyncIterator[tuple[OpenAIDouble, OpenAIDouble]]:
    async with AsyncExitStack() as stack:
        yield await stack.enter_async_context(openai_double()), await stack.enter_async_context(openai_double())


async def asked_model(stub: Stub, model: str) -> str:
    """Name of the backend that answered for `model`."""
    response = await stub.Generate(wire.GenerateRequest(request=question(model=model)))
    return str(response.origin.backend)


async def listed(stub: Stub) -> dict[str, list[str]]:
    models = (await stub.ListModels(wire.ListModelsRequest())).models
    return {model.id: list(model.backends) for model in models}


async def test_each_model_goes_to_the_first_backend_that_lists_it(two: tuple[OpenAIDouble, OpenAIDouble]) -> None:
    a = backend(two[0], name="a", models=["org/one", "both"])
    b = backend(two[1], name="b", models=["both", "alias=org/two"])
    async with router_of(a, b) as stub:
        found = {model: await asked_model(stub, model) for model in ("org/one", "both", "alias")}
        assert await listed(stub) == {"alias": ["b"], "both": ["a", "b"], "org/one": ["a"]}
    assert found == {"org/one": "a", "both": "a", "alias": "b"}
    assert two[1].requests[0].body["model"] == "org/two"


async def test_a_wildcard_takes_what_nobody_lists(two: tuple[OpenAIDouble, OpenAIDouble]) -> None:
    rest = backend(two[0], name="rest", models=[], wildcard=True)
    async with router_of(rest, backend(two[1], name="listed", models=["mine"])) as stub:
        assert await asked_model(stub, "mine") == "listed"
        assert await asked_model(stub, "any/thing") == "rest"
        assert await listed(stub) == {"double": ["rest"], "mine": ["listed"]}


async def test_an_unknown_model_is_not_found(double: OpenAIDouble) -> None:
    async with router_of(backend(double)) as stub:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await asked_model(stub, "gpt-x")
    error = details_of(caught.value)
    assert (error.code.name, error.reason) == ("NOT_FOUND", "MODEL_NOT_FOUND")
    assert error.message == "The model `gpt-x` does not exist or you do not have access to it."
    assert not double.requests


async def test_a_request_without_a_model_is_refused(double: OpenAIDouble) -> None:
    async with router_of(backend(double, wildcard=True)) as stub:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await asked_model(stub, "")
    assert details_of(caught.value).code.name == "INVALID_ARGUMENT"


async def test_a_backend_without_a_list_is_asked_for_it_once(double: OpenAIDouble) -> None:
    double.behaviour.models = ("org/found", "other")
    async with router_of(backend(double, models=[])) as stub:
        assert await asked_model(stub, "org/found") == "double"
        assert await asked_model(stub, "other") == "double"
        assert await listed(stub) == {"org/found": ["double"], "other": ["double"]}
    assert [received.path for received in double.requests].count("/v1/models") == 1


async def test_the_default_backend_takes_the_rest(two: tuple[OpenAIDouble, OpenAIDouble]) -> None:
    a, b = backend(two[0], name="a", models=["one"]), backend(two[1], name="b", models=["two"])
    async with router_of(a, b, default_backend="b") as stub:
        assert await asked_model(stub, "three") == "b"


async def test_a_dead_backend_lacks_only_its_own_models(double: OpenAIDouble) -> None:
    with socket.create_server(("127.0.0.1", 0)) as mute:  # the kernel takes connections, nobody answers
        endpoint = f"http://127.0.0.1:{mute.getsockname()[1]}"
        async with router_of({"name": "mute", "endpoint": endpoint}, backend(double)) as stub:
            for bound in (3, 0.5):
                started = time.monotonic()
                assert await listed(stub) == {"m": ["double"]}
                assert time.monotonic() - started < bound
