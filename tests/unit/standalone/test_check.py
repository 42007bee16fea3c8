"""`synapse check` looks at everything and says what helps."""

from __future__ import annotations

import socket
from contextlib import closing
from pathlib import Path

import pytest

from synapse_standalone.check import check
from synapse_standalone.loopback import free_ports
from synapse_standalone.settings import Options

DEAD = "http://127.0.0.1:1/v1"


def report(capsys: pytest.CaptureFixture[str], options: Options, **environ: str) -> tuple[int, str]:
    return check(options, environ), capsys.readouterr().out


def options(tmp_path: Path, **given: object) -> Options:
    return Options(**{"state": tmp_path, "port": free_ports(1)[0], "local": True, **given})  # type: ignore[arg-type]


def test_all_is_well_out_of_the_box(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status, text = report(capsys, options(tmp_path))
    assert status == 0
    assert "FAIL" not in text
    assert "Valkey server v=9" in text
    assert "the small language model is whole" in text


def test_a_wrong_setting_is_a_failure_with_its_name(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status, text = report(capsys, options(tmp_path), SYNAPSE_CACHE__TTL="5")
    assert status == 1
    assert "cache.ttl: Extra inputs are not permitted" in text
    assert "Mend the section 'cache'" in text


def test_a_backend_that_does_not_answer_is_a_failure(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status, text = report(capsys, options(tmp_path, upstream=DEAD))
    assert status == 1
    assert f"{DEAD}/models does not answer" in text


def test_a_redis_that_does_not_answer_is_a_weakness(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status, text = report(capsys, options(tmp_path, redis_url="redis://127.0.0.1:1/0"))
    assert status == 0
    assert "warn  redis" in text


def test_a_port_in_use_is_a_failure(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as taken:
        status, text = report(capsys, options(tmp_path, port=taken.getsockname()[1]))
    assert status == 1
    assert "is in use" in text
