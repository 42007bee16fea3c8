"""Every fault of every kind of backend, in every protocol: the client is told, and nothing wrong is stored."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from itertools import product
from typing import Any

import pytest

from tests.e2e.conftest import PATIENT, UNDETERRED, running
from tests.e2e.doubles import WIRES, Wire, in_thread
from tests.e2e.failures import Failure, outcome
from tests.e2e.questions import Told, question
from tests.e2e.speakers import FORMS, PROTOCOLS, Speaker, speakers
from tests.support.http_double import Behaviour
from tests.support.mesh import MeshProcess, write_config

IMPATIENT = {"connect_seconds": 2, "first_byte_seconds": 0.6, "between_events_seconds": 0.3, "total_seconds": 5}
LATE = 200
HELLO = question("How do you do?")
FAULTS: dict[str, tuple[int, int, str]] = {
    # the fault: the status of a whole answer, that of a stream (200: the failure comes inside it), a word of the message
    "refused": (400, 400, "Overheated"),
    "unknown": (404, 404, "Overheated"),
    "busy": (429, 429, "Overheated"),
    "failing": (500, 500, "Overheated"),
    "overloaded": (503, 503, "Overheated"),
    "slow": (504, 504, ""),
    "silent": (0, LATE, ""),
    "garbage": (502, 502, ""),
    "garbage inside": (0, LATE, ""),
    "error inside": (0, LATE, "Overheated"),
    "torn": (502, LATE, ""),
    "truncated": (0, LATE, ""),
    "disconnected": (502, 502, ""),
}
TAKE_TIME = {"slow", "silent"}
STATUSES = {"refused": 400, "unknown": 404, "busy": 429, "failing": 500, "overloaded": 503}


def suffer(behaviour: Any, wire: Wire, fault: str, form: str) -> None:
    """Set the double's switches."""
    match fault:
        case "slow":
            behaviour.head_delay_seconds = 3.0
        case "silent":
            behaviour.event_delay_seconds, behaviour.events = 0.45, [wire.first] * 3
        case "garbage":
            behaviour.body, behaviour.content_type = b"<html>502</html>", "text/html"
        case "garbage inside":
            behaviour.events = [wire.first, wire.garbage]
        case "error inside":
            behaviour.events = [wire.first, wire.late]
        case "torn":
            behaviour.cut_after = 3 if form == "streamed" else 40
        case "truncated":
            behaviour.end_after = 3
        case "disconnected":
            behaviour.hang_up = True
        case _:
            behaviour.status, behaviour.body = STATUSES[fault], wire.refusal
            behaviour.headers = {"retry-after": "3"}


def heal(double: Any) -> None:
    """Turn every switch back."""
    double.behaviour = Behaviour(models=double.behaviour.models)


@pytest.fixture(scope="module")
def doubles() -> Iterator[dict[str, Any]]:
    with ExitStack() as stack:
        yield {wire.name: stack.enter_context(in_thread(wire.make)) for wire in WIRES}


@pytest.fixture(scope="module")
def mesh(tmp_path_factory: pytest.TempPathFactory, doubles: dict[str, Any]) -> Iterator[MeshProcess]:
    """A mesh that waits for nothing long, with a model for each double."""
    folder = tmp_path_factory.mktemp("faults")
    backends = [{"name": wire.name, "endpoint": doubles[wire.name].url, **wire.settings, **IMPATIENT} for wire in WIRES]
    router = {"backends": backends, "retries": {"max_retries": 0}, **UNDETERRED}
    config = write_config(folder / "config.json", {"router": router, "cache": PATIENT})
    with running(MeshProcess(folder / "state", "--config", str(config))) as mesh:
        yield mesh


@pytest.fixture
def known(mesh: MeshProcess, namespace: str, doubles: dict[str, Any]) -> Iterator[dict[str, Speaker]]:
    with speakers(mesh, namespace) as known:
        yield known
    for double in doubles.values():
        heal(double)


def cases() -> Iterator[Any]:
    """Each fault where it can happen, in every protocol; those that take time in one protocol for each wire."""
    for number, wire in enumerate(WIRES):
        for fault, (whole, streamed, message) in FAULTS.items():
            protocols = [PROTOCOLS[number % len(PROTOCOLS)]] if fault in TAKE_TIME else PROTOCOLS
            for (form, status), protocol in product(zip(FORMS, (whole, streamed), strict=True), protocols):
                if status:
                    name = f"{wire.name}-{fault}-{form}-{protocol}"
                    yield pytest.param(wire, fault, form, protocol, (status, message), id=name)


@pytest.mark.parametrize(("wire", "fault", "form", "protocol", "expected"), [*cases()])
def test_a_fault_is_told_and_nothing_is_stored(
    known: dict[str, Speaker],
    doubles: dict[str, Any],
    wire: Wire,
    fault: str,
    form: str,
    protocol: str,
    expected: tuple[int, str],
) -> None:
    double, speaker = doubles[wire.name], known[protocol]
    suffer(double.behaviour, wire, fault, form)
    failed = outcome(speaker, form, wire.name, HELLO)
    assert isinstance(failed, Failure)
    status, message = expected
    assert failed.status == status
    assert message in failed.message
    assert failed.message
    assert failed.kind
    if fault == "busy":
        assert failed.headers["retry-after"] == "3"
    heal(double)
    again = outcome(speaker, form, wire.name, HELLO)
    assert isinstance(again, Told)
    assert (again.status, again.text) == ("MISS", wire.text)
