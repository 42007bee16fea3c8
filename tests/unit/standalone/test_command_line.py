"""The commands as they are typed."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from synapse_runtime.identity import Role, TokenVerifier
from synapse_standalone.__main__ import main


def test_the_version_is_the_distributions(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["version"]) == 0
    assert capsys.readouterr().out[0].isdigit()


def test_a_command_without_a_mesh_says_so_and_fails(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["ask", "hello", "--state", str(tmp_path)]) == 1
    assert "no mesh is running" in capsys.readouterr().err


def test_a_token_proves_the_identity_that_was_asked_for(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "config.json").write_text('{"mesh": {"secret": "s3"}}')
    assert main(["token", "--tenant", "acme", "--role", "viewer", "--state", str(tmp_path)]) == 0
    identity = TokenVerifier("s3").identity(capsys.readouterr().out.strip())
    assert (identity.tenant, identity.role) == ("acme", Role.VIEWER)


@pytest.mark.parametrize("port", ["0", "65536", "http"])
def test_a_port_that_is_none_is_refused(port: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["up", "--port", port])
    assert "--port" in capsys.readouterr().err


def test_a_reader_that_has_seen_enough_is_no_failure() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    command = [sys.executable, "-m", "synapse_standalone", "version"]
    done = subprocess.run(command, stdout=writing, stderr=subprocess.PIPE, timeout=60, check=False)
    os.close(writing)
    assert (done.returncode, done.stderr) == (0, b"")
