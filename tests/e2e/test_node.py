"""The official OpenAI and Anthropic SDKs for Node against the running mesh; its tests lie in node/."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.support.mesh import MeshProcess, clean_environment
from tests.support.redis_servers import missing

FOLDER = Path(__file__).parent / "node"
FILES = sorted(file.name for file in FOLDER.glob("*.test.mjs"))
SECONDS = 90


@pytest.mark.node
@pytest.mark.parametrize("file", FILES)
def test_the_node_sdk_is_served(mesh_double: MeshProcess, file: str) -> None:
    node = shutil.which("node") or missing("node: this machine has no Node.js")
    for package in ("openai", "@anthropic-ai/sdk"):
        if not (FOLDER / "node_modules" / package).exists():
            missing(f"{package} for Node: not installed, run `make node`")
    mesh = {"SYNAPSE_URL": mesh_double.endpoint.url, "SYNAPSE_KEY": mesh_double.endpoint.key, "SYNAPSE_MODEL": "echo"}
    command = [node, "--test", "--test-reporter=tap", file]
    environment = clean_environment(os.environ) | mesh
    done = subprocess.run(
        command, cwd=FOLDER, env=environment, capture_output=True, text=True, timeout=SECONDS, check=False
    )
    print(done.stdout, done.stderr)  # noqa: T201  # shown where the test fails
    assert done.returncode == 0
