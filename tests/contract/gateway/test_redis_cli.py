"""The gateway image's redis-cli, before real servers."""

from __future__ import annotations

import pytest

from synapse_gateway import redis_cli
from tests.support.redis_servers import RedisServer


def test_ping_is_answered(redis_server: RedisServer, capsys: pytest.CaptureFixture[str]) -> None:
    redis_server.start()
    assert redis_cli.main(["-u", redis_server.url, "ping"]) == 0
    assert capsys.readouterr().out == "PONG\n"


def test_lists_and_nothing_are_told(redis_server: RedisServer, capsys: pytest.CaptureFixture[str]) -> None:
    redis_server.start()
    for command in (["rpush", "a-list", "x", "y"], ["lrange", "a-list", "0", "-1"], ["get", "absent"]):
        assert redis_cli.main(["-u", redis_server.url, *command]) == 0
    assert capsys.readouterr().out == "2\nx\ny\n(nil)\n"


def test_a_server_that_is_not_there_fails_with_its_reason(capsys: pytest.CaptureFixture[str]) -> None:
    assert redis_cli.main(["-u", "redis://127.0.0.1:1/0", "ping"]) == 1
    assert "127.0.0.1:1" in capsys.readouterr().err


def test_a_wrong_command_or_url_fails(redis_server: RedisServer, capsys: pytest.CaptureFixture[str]) -> None:
    redis_server.start()
    assert redis_cli.main(["-u", redis_server.url, "nonsense"]) == 1
    assert redis_cli.main(["-u", "http://example.invalid", "ping"]) == 1
    assert "unknown command" in capsys.readouterr().err
