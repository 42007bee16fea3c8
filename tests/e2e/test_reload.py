"""The user's file is edited while `synapse up` runs: good edits are used, bad ones told, and nobody notices a pause."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from openai import OpenAI

from tests.e2e.conftest import ACME_KEY as OPERATOR_KEY
from tests.e2e.conftest import KEYS, VIEWER_KEY, running
from tests.e2e.upstream import SLOW_WORDS, Upstream, running_upstream
from tests.support.mesh import MeshProcess, clean_environment, write_config

SOON_SECONDS = 15.0


class Edited:
    """A running mesh and the file that its user edits."""

    def __init__(self, mesh: MeshProcess, file: Path) -> None:
        self.mesh = mesh
        self.file = file

    def write(self, *backends: dict[str, Any], **router: Any) -> None:
        """Write the file anew."""
        write_config(self.file, {"gateway": {"keys": KEYS}, "router": {"backends": list(backends), **router}})

    def get(self, path: str, key: str = "") -> httpx.Response:
        """What the gateway answers."""
        return httpx.get(f"{self.mesh.endpoint.url}{path}", headers=bearer(key or self.mesh.endpoint.key))

    def reload(self, key: str = "", **body: Any) -> httpx.Response:
        """Ask for a reload."""
        url = f"{self.mesh.endpoint.url}/admin/config/reload"
        return httpx.post(url, headers=bearer(key or self.mesh.endpoint.key), json=body)

    def backends(self) -> list[str]:
        """The names of the backends in use."""
        return [backend["name"] for backend in self.get("/api/v1/backends").json()["backends"]]

    def command(self, *arguments: str) -> str:
        """What a command of the command line prints."""
        command = (sys.executable, "-m", "synapse_standalone", *arguments, "--state", str(self.mesh.state))
        done = subprocess.run(command, env=clean_environment(), capture_output=True, text=True, timeout=60, check=False)
        return done.stdout + done.stderr


def bearer(key: str) -> dict[str, str]:
    return {"authorization": f"Bearer {key}"}


def backend(upstream: Upstream, name: str = "first", **settings: Any) -> dict[str, Any]:
    return {"name": name, "endpoint": upstream.url, **settings}


def eventually(holds: Callable[[], bool]) -> None:
    """Wait until the claim holds."""
    deadline = time.monotonic() + SOON_SECONDS
    while not holds():
        assert time.monotonic() < deadline, "it never came true"
        time.sleep(0.1)


@pytest.fixture(scope="module")
def other() -> Iterator[Upstream]:
    """Another backend."""
    with running_upstream() as double:
        yield double


@pytest.fixture(scope="module")
def mesh(tmp_path_factory: pytest.TempPathFactory, upstream: Upstream) -> Iterator[Edited]:
    """A mesh with a file of the user's."""
    folder = tmp_path_factory.mktemp("edited")
    edited = Edited(MeshProcess(folder / "state", "--config", str(folder / "mine.json")), folder / "mine.json")
    edited.write(backend(upstream))
    with running(edited.mesh):
        yield edited


@pytest.fixture
def edited(mesh: Edited, upstream: Upstream) -> Iterator[Edited]:
    """The mesh on its first configuration."""
    mesh.write(backend(upstream))
    eventually(lambda: mesh.reload().status_code == 200 and mesh.backends() == ["first"])
    return mesh


def test_an_edit_of_the_file_is_used_by_itself(edited: Edited, other: Upstream) -> None:
    edited.write(backend(other, "second"))
    eventually(lambda: edited.backends() == ["second"])
    with OpenAI(base_url=edited.mesh.base_url, api_key=edited.mesh.endpoint.key) as client:
        answer = client.chat.completions.create(model="echo", messages=[{"role": "user", "content": "who is there?"}])
    assert answer.choices[0].message.content == "You said: who is there?"
    assert other.last["messages"][-1]["content"] == "who is there?"


def test_a_bad_edit_is_told_and_changes_nothing(edited: Edited) -> None:
    edited.file.write_text('{"router": {"backends": [{"name": "x", "endpoint": "nowhere"}]}}')
    eventually(lambda: "router.backends.0.endpoint" in edited.get("/admin/config").json()["rejected"])
    assert edited.backends() == ["first"]
    refusal = edited.reload()
    assert refusal.status_code == 400
    assert "router.backends.0.endpoint" in refusal.json()["error"]["message"]
    assert "the configuration that was read last is refused" in edited.command("config")


def test_a_stream_under_way_ends_on_the_backend_that_began_it(edited: Edited, other: Upstream) -> None:
    question = {"role": "user", "content": "a stream across an edit"}
    with OpenAI(base_url=edited.mesh.base_url, api_key=edited.mesh.endpoint.key) as client:
        stream = client.chat.completions.create(model="slow", messages=[question], stream=True)  # type: ignore[list-item]
        first = next(stream)
        edited.write(backend(other, "second"))
        assert edited.reload().json()["added_backends"] == ["second"]
        pieces = [choice.delta.content or "" for chunk in (first, *stream) for choice in chunk.choices]
    assert len("".join(pieces).split()) == SLOW_WORDS


def test_a_check_says_what_an_edit_would_bring(edited: Edited, upstream: Upstream) -> None:
    edited.write(backend(upstream), reload_seconds=3600)
    assert edited.reload().status_code == 200
    edited.write(backend(upstream, models=["echo"]), reload_seconds=3600)
    assert edited.reload(validate_only=True).json()["changed_backends"] == ["first"]
    assert "the configuration is good\nchanged backends: first" in edited.command("config", "validate")
    assert "the configuration is in use\nchanged backends: first" in edited.command("config", "reload")
    assert edited.command("config", "reload") == "nothing changed\n"


def test_what_takes_a_restart_is_told(edited: Edited, upstream: Upstream) -> None:
    write_config(edited.file, {"gateway": {"rate_limit_rps": 7}, "router": {"backends": [backend(upstream)]}})
    assert "gateway.rate_limit_rps" in edited.reload().json()["needs_restart"]


def test_everybody_with_a_key_sees_the_backends_and_nobody_else(edited: Edited) -> None:
    assert edited.get("/api/v1/backends", VIEWER_KEY).status_code == 200
    assert httpx.get(f"{edited.mesh.endpoint.url}/api/v1/backends").status_code == 401


@pytest.mark.parametrize("key", [VIEWER_KEY, OPERATOR_KEY])
def test_the_configuration_is_for_admins_alone(edited: Edited, key: str) -> None:
    assert edited.get("/admin/config", key).status_code == 403
    assert edited.reload(key).status_code == 403


def test_the_configuration_is_shown_without_secrets(edited: Edited, upstream: Upstream) -> None:
    edited.write(backend(upstream, api_key="sk-very-secret"))
    edited.reload()
    told = edited.get("/admin/config").text
    assert "**********" in told
    assert "sk-very-secret" not in told


def test_the_command_line_shows_backends_and_models(edited: Edited) -> None:
    assert "first" in edited.command("backends")
    assert "echo" in edited.command("models")
