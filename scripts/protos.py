"""Generates the Python stubs of protos/ into protos/gen, or checks that the committed ones are up to date."""

from __future__ import annotations

import argparse
import filecmp
import sys
import tempfile
from pathlib import Path

from grpc_tools import protoc

ROOT = Path(__file__).resolve().parent.parent
PROTOS = ROOT / "protos"
THIRD_PARTY = PROTOS / "third_party"
GENERATED = PROTOS / "gen"
SPOKEN = ("tei",)
"""Protocols of others whose stubs come from no package."""


def generate(target: Path) -> None:
    """Write the stubs of every proto file below `target`; raises SystemExit when protoc refuses a file."""
    sources = sorted(str(path.relative_to(PROTOS)) for path in (PROTOS / "synapse").rglob("*.proto"))
    for name in SPOKEN:
        sources += sorted(str(path.relative_to(THIRD_PARTY)) for path in (THIRD_PARTY / name).rglob("*.proto"))
    well_known = Path(protoc.__file__).parent / "_proto"
    includes = [f"-I{PROTOS}", f"-I{THIRD_PARTY}", f"-I{well_known}"]
    outputs = [f"--{kind}_out={target}" for kind in ("python", "grpc_python", "mypy", "mypy_grpc")]
    bin_folder = Path(sys.executable).parent
    plugins = [f"--plugin=protoc-gen-{name}={bin_folder / f'protoc-gen-{name}'}" for name in ("mypy", "mypy_grpc")]
    if protoc.main(["protoc", *includes, *plugins, *outputs, *sources]):
        raise SystemExit("protoc refused the protos")


def stale(fresh: Path, committed: Path) -> list[str]:
    """Paths that differ between two folders of stubs, or exist in only one of them."""
    ours = {path.relative_to(fresh) for path in fresh.rglob("*.py*") if path.is_file()}
    theirs = {path.relative_to(committed) for path in committed.rglob("*.py*") if "__pycache__" not in path.parts}
    differing = {path for path in ours & theirs if not filecmp.cmp(fresh / path, committed / path, shallow=False)}
    return sorted(str(path) for path in differing | (ours ^ theirs))


def main() -> None:
    """Command line: no option generates, `--check` compares."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="fail when the committed stubs are not up to date")
    if not parser.parse_args().check:
        generate(GENERATED)
        return
    with tempfile.TemporaryDirectory() as folder:
        generate(Path(folder))
        drift = stale(Path(folder), GENERATED)
    if drift:
        sys.exit("stubs are not up to date (run `make protos`):\n  " + "\n  ".join(drift))


if __name__ == "__main__":
    main()
