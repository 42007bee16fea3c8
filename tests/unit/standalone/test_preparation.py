"""What is found out before the first process starts."""

from __future__ import annotations

import json
import socket
from contextlib import closing
from pathlib import Path

import pytest

from synapse_runtime.settings import load
from synapse_standalone.errors import EXIT_CONFIG, EXIT_UNAVAILABLE, CommandError
from synapse_standalone.loopback import free_ports
from synapse_standalone.preparation import prepare, read_config, require_port
from synapse_standalone.settings import Options
from synapse_standalone.state import StateFolder

UPSTREAM = "http://127.0.0.1:1"


def test_a_port_in_use_is_named_with_another_that_may_do() -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(CommandError, match=f"port {port} of 127.0.0.1 is in use") as raised:
            require_port("127.0.0.1", port)
    assert raised.value.status == EXIT_UNAVAILABLE
    assert f"--port {port + 1}" in raised.value.remedy


def test_an_address_that_is_not_ours_is_told_from_a_port_in_use() -> None:
    with pytest.raises(CommandError, match=r"cannot listen on 192\.0\.2\.1:1"):
        require_port("192.0.2.1", 1)


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ("{", "is not JSON"),
        ('{"cash": {}}', "unknown section 'cash'"),
        ('{"cache": {"ttl": 5}}', r"cache\.ttl: Extra inputs are not permitted"),
        ('{"router": {"backends": [{"name": "x", "endpoint": "ftp://x"}]}}', r"router\.backends\.0\.endpoint"),
        ('{"telemetry": {"log_filter": "synapse=loud"}}', "does not end in a level"),
    ],
)
def test_a_wrong_configuration_is_told_in_the_services_words(tmp_path: Path, content: str, complaint: str) -> None:
    file = tmp_path / "config.json"
    file.write_text(content)
    with pytest.raises(CommandError, match=complaint) as raised:
        read_config(Options(config=file), {})
    assert raised.value.status == EXIT_CONFIG


def test_a_missing_configuration_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match=r"cannot read .*nowhere\.json"):
        read_config(Options(config=tmp_path / "nowhere.json"), {})


def test_all_complaints_come_at_once(tmp_path: Path) -> None:
    file = tmp_path / "config.json"
    file.write_text('{"cache": {"ttl": 5}, "gateway": {"listen": 7}}')
    with pytest.raises(CommandError, match=r"(?s)gateway\.listen.*cache\.ttl"):
        read_config(Options(config=file), {})


def test_the_configuration_is_written_for_its_owner_alone(tmp_path: Path) -> None:
    state = StateFolder(tmp_path)
    (port,) = free_ports(1)
    with state.open():
        prepared = prepare(Options(port=port, upstream=UPSTREAM), {"SYNAPSE_CACHE__TTL_SECONDS": "77"}, state)
    written = json.loads(state.config_file.read_text())
    assert state.config_file.stat().st_mode & 0o077 == 0
    assert written["cache"]["ttl_seconds"] == "77"
    assert prepared.environment["SYNAPSE_CONFIG_PATH"] == str(state.config_file)
    assert {part.name for part in prepared.parts} == {"gateway", "cache", "llm-router", "embed", "valkey"}


def test_the_router_reads_the_users_own_file_and_sees_the_providers_keys(tmp_path: Path) -> None:
    state = StateFolder(tmp_path / "state")
    (port,) = free_ports(1)
    file = tmp_path / "config.json"
    file.write_text(
        '{"router": {"backends": [{"name": "a", "endpoint": "http://h", "api_key_env": "OPENAI_API_KEY"}]}}'
    )
    environ = {"OPENAI_API_KEY": "sk-secret", "SYNAPSE_ROUTER__DEFAULT_BACKEND": "a"}
    with state.open():
        prepared = prepare(Options(port=port, config=file), environ, state)
    router = next(part for part in prepared.parts if part.name == "llm-router")
    seen = load({**prepared.environment, **router.environment})
    assert file in seen.files
    assert seen.sections["router"]["default_backend"] == "a"
    assert "OPENAI_API_KEY" not in prepared.environment
    assert not [path for path in state.path.rglob("*.json") if "sk-secret" in path.read_text()]


def test_a_key_that_is_not_there_is_told_before_anything_starts(tmp_path: Path) -> None:
    file = tmp_path / "config.json"
    file.write_text('{"router": {"backends": [{"name": "a", "endpoint": "http://h", "api_key_env": "NOT_SET"}]}}')
    with pytest.raises(CommandError, match="the variable NOT_SET is empty or not set"):
        read_config(Options(config=file), {})


def test_the_key_stays_the_same_and_the_environment_may_set_it(tmp_path: Path) -> None:
    state = StateFolder(tmp_path)
    (port,) = free_ports(1)
    options = Options(port=port, upstream=UPSTREAM)
    with state.open():
        first, second = (prepare(options, {}, state).key for _ in range(2))
        given = prepare(options, {"SYNAPSE_API_KEY": "mine"}, state).key
    assert first == second
    assert first.startswith("sk-synapse-")
    assert given == "mine"
