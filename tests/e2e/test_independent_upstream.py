"""llm-katan, a server that we did not write, behind the mesh on both of its wires, asked in every protocol.

Its answers tell the question, and the second in which they were made: an equal answer is one from the cache.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import openai
import pytest

from tests.e2e.conftest import PATIENT, UNDETERRED, running
from tests.e2e.questions import PNG, Call, Called, Question, Returned, Said, Told, Tool, question
from tests.e2e.speakers import FORMS, PROTOCOLS, Speaker, speakers, tell
from tests.support import parts
from tests.support.katan_server import MODEL, katan, running_katan
from tests.support.mesh import MeshProcess, write_config

__all__ = ["katan"]
WIRES = ("openai", "anthropic")
HELLO = question("Hello there?")
LOOKUP = Tool("look_up", {"type": "object", "properties": {"word": {"type": "string"}}, "additionalProperties": False})


def backend(name: str, url: str, wire: str) -> dict[str, Any]:
    """Settings of a backend that is katan at `url`, whose model is called `name`."""
    return {"name": name, "endpoint": url, "api_type": wire, "api_key": "any", "models": [f"{name}={MODEL}"]}


@pytest.fixture(scope="module")
def broken(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """URL of a katan that only fails."""
    try:
        with running_katan(tmp_path_factory.mktemp("broken"), "--error-rate", "1.0") as url:
            yield url
    except parts.PartMissing as absent:
        parts.missing(str(absent))


@pytest.fixture(scope="module")
def mesh(tmp_path_factory: pytest.TempPathFactory, katan: str, broken: str) -> Iterator[MeshProcess]:
    """A mesh before katan."""
    folder: Path = tmp_path_factory.mktemp("independent")
    backends = [backend(wire, katan, wire) for wire in WIRES] + [
        backend(f"broken-{wire}", broken, wire) for wire in WIRES
    ]
    router = {"backends": backends, **UNDETERRED}
    config = write_config(folder / "config.json", {"router": router, "cache": PATIENT})
    with running(MeshProcess(folder / "state", "--config", str(config))) as mesh:
        yield mesh


@pytest.fixture
def known(mesh: MeshProcess, namespace: str) -> Iterator[dict[str, Speaker]]:
    with speakers(mesh, namespace) as known:
        yield known


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("wire", WIRES)
def test_it_is_asked_once_in_every_protocol(known: dict[str, Speaker], wire: str, protocol: str, form: str) -> None:
    first, second = (tell(known[protocol], form, wire, HELLO) for _ in range(2))
    assert [first.status, second.status] == ["MISS", "HIT-L1"]
    assert first.text.endswith("User: Hello there?")
    assert second.said == first.said
    assert (first.finish, first.tokens[0]) == ("stop", 2)


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("wire", WIRES)
def test_it_sees_the_whole_conversation(known: dict[str, Speaker], wire: str, protocol: str) -> None:
    turns = (Said("user", "One."), Said("assistant", "Two."), Said("user", "Three?"))
    told = known[protocol].ask(wire, Question(turns, system="Count.", max_tokens=77, temperature=0.25))
    assert "messages=4 " in told.text
    assert " temperature=0.25" in told.text
    assert protocol == "responses" or " max_tokens=77 " in told.text  # it knows but one name of the limit
    assert told.text.endswith("User: Three?")


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("wire", WIRES)
def test_its_call_of_a_tool_comes_through_and_is_kept(
    known: dict[str, Speaker], wire: str, protocol: str, form: str
) -> None:
    asked = question("Look it up.", tools=(LOOKUP,))
    first, second = (tell(known[protocol], form, wire, asked) for _ in range(2))
    assert [first.status, second.status] == ["MISS", "HIT-L1"]
    assert [(call.name, call.arguments) for call in first.calls] == [("look_up", {"word": "test_word"})]
    assert first.finish == "calls"
    assert second.said == first.said


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("wire", WIRES)
def test_it_takes_results_of_tools(known: dict[str, Speaker], wire: str, protocol: str) -> None:
    called = Called((Call("call_1", "look_up", {"word": "a"}), Call("call_2", "look_up", {"word": "b"})))
    turns = (Said("user", "Look up both."), called, Returned({"call_1": "A.", "call_2": "B."}))
    assert known[protocol].ask(wire, Question(turns)).text.startswith("[echo]")


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("wire", WIRES)
def test_it_sees_a_picture(known: dict[str, Speaker], wire: str, protocol: str) -> None:
    assert "[image:image/png]" in known[protocol].ask(wire, question("What is this?", picture=PNG)).text


def said_once(known: dict[str, Speaker], wire: str, order: tuple[str, str]) -> list[Told]:
    return [known[protocol].ask(wire, HELLO) for protocol in order]


@pytest.mark.parametrize("order", [("chat", "messages"), ("messages", "chat"), ("chat", "responses")])
@pytest.mark.parametrize("wire", WIRES)
def test_an_answer_serves_the_other_protocols(known: dict[str, Speaker], wire: str, order: tuple[str, str]) -> None:
    first, second = said_once(known, wire, order)
    assert [first.status, second.status] == ["MISS", "HIT-L1"]
    assert second.said == first.said


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("wire", WIRES)
def test_its_failures_are_told_and_not_stored(known: dict[str, Speaker], wire: str, form: str) -> None:
    for _ in range(2):
        with pytest.raises(openai.InternalServerError, match="internal server error") as caught:
            tell(known["chat"], form, f"broken-{wire}", HELLO)
        assert caught.value.status_code == 500
