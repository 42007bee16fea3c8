"""`synapse check` looks at everything and says what helps."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import closing
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
import trustme

from synapse_standalone.check import check
from synapse_standalone.loopback import free_ports
from synapse_standalone.settings import Options
from tests.support.certificates import Mounted
from tests.support.mesh import write_config

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
    assert f"FAIL  backend upstream {DEAD}" in text
    assert "cannot be reached" in text


def test_a_redis_that_does_not_answer_is_a_weakness(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status, text = report(capsys, options(tmp_path, redis_url="redis://127.0.0.1:1/0"))
    assert status == 0
    assert "warn  redis" in text


def test_certificates_that_cannot_be_used_are_a_failure(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    mounted = Mounted(tmp_path / "tls", trustme.CA())
    tls = mounted.settings.model_dump(mode="json")
    config = write_config(tmp_path / "config.json", {"mesh": {"tls": tls}})
    status, text = report(capsys, options(tmp_path, config=config))
    assert (status, f"ok    certificates   {tls['cert']} serves until" in text) == (0, True)
    mounted.settings.key.unlink()
    status, text = report(capsys, options(tmp_path, config=config))
    assert (status, f"mesh.tls.key: cannot read {tls['key']}" in text) == (1, True)


def test_a_port_in_use_is_a_failure(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as taken:
        status, text = report(capsys, options(tmp_path, port=taken.getsockname()[1]))
    assert status == 1
    assert "is in use" in text


class Backend(BaseHTTPRequestHandler):
    """Lists one model to those who have the key."""

    def do_GET(self) -> None:
        allowed = self.headers["authorization"] == "Bearer sk-right"
        self.send_response(200 if allowed else 401)
        self.end_headers()
        self.wfile.write(b'{"data": [{"id": "tiny"}]}' if allowed else b"{}")

    def log_message(self, *args: object) -> None:
        """Tests are quiet."""


@pytest.fixture
def configured(tmp_path: Path) -> Iterator[Path]:
    """A configuration whose one backend wants a key, which it takes from a variable."""
    with HTTPServer(("127.0.0.1", 0), Backend) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        backend = {"name": "mine", "endpoint": f"http://127.0.0.1:{server.server_port}", "api_key_env": "MY_KEY"}
        yield write_config(tmp_path / "mine.json", {"router": {"backends": [backend]}})
        server.shutdown()
        thread.join()


def test_a_backend_is_told_with_where_its_key_is_from_and_what_it_serves(
    tmp_path: Path, configured: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    status, text = report(capsys, options(tmp_path, config=configured, local=False), MY_KEY="sk-right")
    assert status == 0
    assert "key from the variable MY_KEY) lists 1 models, such as tiny" in text
    assert "sk-right" not in text


def test_a_wrong_key_is_a_failure_that_does_not_show_it(
    tmp_path: Path, configured: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    status, text = report(capsys, options(tmp_path, config=configured, local=False), MY_KEY="sk-wrong")
    assert status == 1
    assert "Is its key right?" in text
    assert "sk-wrong" not in text


def test_a_key_that_is_not_set_is_a_failure_with_its_variable(
    tmp_path: Path, configured: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    status, text = report(capsys, options(tmp_path, config=configured, local=False))
    assert status == 1
    assert "the variable MY_KEY is empty or not set" in text
