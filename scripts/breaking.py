"""Fails when protos/ breaks a client of an earlier commit: the one in $SYNAPSE_BASE, the upstream main, or the last."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
CANDIDATES = ("origin/main", "main", "HEAD~1")


def base_commit() -> str | None:
    """The commit to compare with; None in a clone that holds no earlier one with protos."""
    named = os.environ.get("SYNAPSE_BASE")
    head = resolve("HEAD")
    for name in (named,) if named else CANDIDATES:
        commit = resolve(name)
        if commit and commit != head and git("cat-file", "-e", f"{commit}:buf.yaml") is not None:
            return commit
    return None


def resolve(name: str) -> str | None:
    """The commit that `name` stands for; None when there is none."""
    found = git("rev-parse", "--verify", "--quiet", f"{name}^{{commit}}")
    return found.decode().strip() if found else None


def git(*arguments: str) -> bytes | None:
    """What git prints; None when it fails."""
    done = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, check=False, timeout=60)  # noqa: S607
    return done.stdout if done.returncode == 0 else None


def main() -> int:
    """Compare; the exit status is buf's."""
    commit = base_commit()
    if commit is None:
        print("no earlier commit to compare the protos with")
        return 0
    with tempfile.TemporaryDirectory() as folder:
        earlier = Path(folder) / "protos.tar"
        if git("archive", "--output", str(earlier), commit, "buf.yaml", "protos") is None:
            raise SystemExit(f"git cannot read the protos of {commit}")
        buf = Path(sys.executable).parent / "buf"
        return subprocess.run([buf, "breaking", "--against", earlier], cwd=ROOT, check=False, timeout=120).returncode


if __name__ == "__main__":
    sys.exit(main())
