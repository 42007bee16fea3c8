"""The client wheel: built from the committed stubs, and enough by itself to make a call."""

from __future__ import annotations

import subprocess
import tomllib
import zipfile
from pathlib import Path

import pytest

from tests.support import parts
from tests.support.parts import ROOT

SECONDS = 120
PROJECT = tomllib.loads((ROOT / "protos/pyproject.toml").read_text())["project"]
CONSTRUCTS = """
from synapse.cache.v1 import cache_pb2, cache_pb2_grpc
from synapse.llm.v1 import request_pb2
import grpc
question = request_pb2.GenerationRequest(model="m")
request = cache_pb2.StreamGenerateRequest(request=question)
assert cache_pb2.StreamGenerateRequest.FromString(request.SerializeToString()) == request
assert cache_pb2_grpc.CacheServiceStub(grpc.insecure_channel("127.0.0.1:1")).StreamGenerate
"""


def uv(*arguments: str) -> None:
    try:
        command = [parts.uv(), *arguments]
    except parts.PartMissing as absent:
        parts.missing(str(absent))
    done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, check=False)
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("client")
    uv("build", "--quiet", "--wheel", "--out-dir", str(folder), str(ROOT / "protos"))
    [built] = folder.glob("*.whl")
    return built


def test_it_has_the_version_of_the_mesh() -> None:
    mesh = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert PROJECT["version"] == mesh["version"]


def test_it_holds_every_stub_its_types_and_no_code_of_ours(wheel: Path) -> None:
    packed = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    generated = ROOT / "protos/gen"
    stubs = {
        str(path.relative_to(generated))
        for path in (generated / "synapse").rglob("*_pb2*.py*")
        if path.suffix in {".py", ".pyi"}
    }
    marks = {f"synapse/{package.name}/py.typed" for package in (ROOT / "protos/synapse").iterdir()}
    assert packed == stubs | marks


@pytest.mark.parametrize("protobuf", ["6.33.*", "7.*"])
def test_it_makes_a_call_by_itself(wheel: Path, tmp_path: Path, protobuf: str) -> None:
    python = tmp_path / "venv/bin/python"
    uv("venv", "--quiet", str(tmp_path / "venv"))
    uv("pip", "install", "--quiet", "--python", str(python), str(wheel), f"protobuf=={protobuf}")
    done = subprocess.run([python, "-c", CONSTRUCTS], capture_output=True, text=True, timeout=SECONDS, check=False)
    assert done.returncode == 0, done.stderr
