"""A newcomer's first minutes: clone, `make up`, paste the printed commands, Ctrl-C."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.mesh import MeshProcess, clean_environment
from tests.support.redis_servers import missing

ROOT = Path(__file__).resolve().parents[2]
READY_SECONDS = 420.0
STOP_SECONDS = 40.0


class Clone(MeshProcess):
    """A fresh clone of HEAD in `folder`, in which `make up` is typed."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder / "synapse" / ".synapse")
        self.folder = folder / "synapse"
        self.output = folder / "screen.txt"
        subprocess.run(["git", "clone", "--quiet", str(ROOT), str(self.folder)], check=True, timeout=60)

    def make_up(self) -> subprocess.Popen[bytes]:
        """Type `make up`; its output is the file `output`. The group takes Ctrl-C as a terminal would send it."""
        command = ["make", "up", f"ARGS=--port {self.port} --local"]
        with self.output.open("wb") as output:
            return subprocess.Popen(
                command, cwd=self.folder, env=_newcomer(), stdout=output, stderr=output, process_group=0
            )

    def screen(self) -> str:
        """What was printed so far."""
        return self.output.read_text(errors="replace")


def _newcomer() -> dict[str, str]:
    """An environment that knows nothing of this checkout; uv's cache stays."""
    environment = clean_environment(
        os.environ, without=("VIRTUAL_ENV", "PYTHONPATH", "PYTHONHOME", "MAKEFLAGS", "MAKELEVEL")
    )
    places = [place for place in environment["PATH"].split(os.pathsep) if not Path(place).is_relative_to(ROOT)]
    return environment | {"PATH": os.pathsep.join(places)}


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Clone]:
    for tool in ("git", "make", "curl"):
        if shutil.which(tool) is None:
            missing(f"{tool}: not on this machine")
    if not (ROOT / ".git").exists():
        missing("git: these files are no repository that could be cloned")
    yield (clone := Clone(tmp_path_factory.mktemp("clone")))
    shutil.rmtree(clone.folder, ignore_errors=True)  # half a gigabyte


def pasted(command: str) -> str:
    """What a pasted command prints."""
    done = subprocess.run(["sh", "-c", command], capture_output=True, text=True, timeout=120, check=True)
    return done.stdout


def status_in(reply: str) -> str:
    """What the cache did, by the headers that curl -i shows."""
    found = re.search(r"^x-synapse-cache-status: (\S+)", reply, re.MULTILINE)
    assert found, reply
    return found[1]


@pytest.mark.slow
@pytest.mark.timeout(READY_SECONDS + 120)
def test_make_up_in_a_fresh_clone_leads_to_cached_answers(clone: Clone) -> None:
    process = clone.make_up()
    try:
        clone.wait_until_published(process, READY_SECONDS)
        ask, reworded = _printed_commands(clone)
        assert status_in(pasted(ask)) == "MISS"
        assert status_in(pasted(ask)) == "HIT-L1"
        assert status_in(pasted(reworded)) == "HIT-L2"
        os.killpg(process.pid, signal.SIGINT)
        assert process.wait(STOP_SECONDS) in {0, -signal.SIGINT}, clone.screen()  # make ends as it was told to
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait(STOP_SECONDS)
    assert all(f"{part}: stopped" in clone.screen() for part in ("gateway", "cache", "valkey", "llama"))
    assert not (clone.state / "endpoint.json").exists()
    left = subprocess.run(
        ["git", "status", "--porcelain"], cwd=clone.folder, capture_output=True, text=True, check=True
    )
    assert left.stdout == ""


def _printed_commands(clone: Clone) -> list[str]:
    """The curl commands of the ready screen, as they are pasted."""
    lines = re.sub(r"\\\n\s*", " ", clone.screen()).splitlines()
    commands = [line.strip() for line in lines if line.startswith("  curl")]
    assert len(commands) == 2, clone.screen()
    return commands
