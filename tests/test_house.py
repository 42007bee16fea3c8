"""The rules of the house that no linter keeps: sizes, places, names, and what must not be committed."""

from __future__ import annotations

import ast
import configparser
import gc
import re
import subprocess
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
MODULE_LINES = 400
FUNCTION_LINES = 60
FILE_BYTES = 5 * 1024 * 1024
VERIFIER = "services/cache/synapse_cache/verifier/verifier.onnx"
VERIFIER_BYTES = 30 * 1000 * 1000
LAYOUT = {
    *("README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "CHANGELOG.md", "LICENSE"),
    *(
        "pyproject.toml",
        "uv.lock",
        "buf.yaml",
        ".importlinter",
        ".gitignore",
        "Makefile",
        "Dockerfile",
        ".dockerignore",
    ),
    *(".ci", "protos", "services", "envoy", "helm", "scripts", "docs", "tests"),
}
SERVICES = {"gateway", "cache", "embed", "llm_router", "standalone", "runtime"}
READS_ENVIRONMENT = {
    "services/runtime/synapse_runtime/settings.py",
    "services/standalone/synapse_standalone/settings.py",
}
WEIGHTS = {".safetensors", ".gguf", ".onnx", ".bin", ".pt", ".pth", ".h5", ".ckpt", ".npz", ".npy", ".tflite"}
MARKS = {"pytest.mark.skip", "pytest.mark.skipif", "pytest.mark.xfail"}
EDGES_OF_A_SERVICE = {"__init__", "__main__", "adapters", "app", "assembly", "report", "rpc", "settings"}
# Written so that no pattern matches itself.
MACHINE = re.compile(r"[/](work|root|opt)/|[/]home/[a-z]|[p]ythonhosted|pypi[.]org|npmjs[.]")
OF_OTHERS = {"uv.lock", "vllm.yaml"}
"""Files in the words of others: the lock file, and the manifest of a guide, whose image runs as root."""
UNFINISHED = re.compile(r"\b([T]ODO|[F]IXME|[X]XX)\b")


@cache
def tracked() -> tuple[Path, ...]:
    """Every file that is or would be committed."""
    listing = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        check=True,
    )
    paths = [Path(name) for name in listing.stdout.decode().split("\0") if name]
    return tuple(path for path in paths if (ROOT / path).is_file())


def python(*folders: str) -> list[Path]:
    return [path for path in tracked() if path.suffix == ".py" and path.parts[0] in folders]


def ours() -> list[Path]:
    return python("services", "scripts", "tests")


def texts() -> Iterator[tuple[Path, str]]:
    for path in tracked():
        content = (ROOT / path).read_bytes()
        if b"\0" not in content:
            yield path, content.decode()


@cache
def parsed(path: Path) -> ast.Module:
    gc.disable()  # a finaliser that changes the recursion limit meanwhile, as Hypothesis has, is a SystemError to 3.11
    try:
        return ast.parse((ROOT / path).read_text())
    finally:
        gc.enable()


def functions(path: Path) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    return (node for node in ast.walk(parsed(path)) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))


def unexplained_skips(tree: ast.Module) -> Iterator[ast.expr]:
    """Uses of skip, skipif and xfail without a word of why: bare marks, and calls without a reason."""
    nodes = list(ast.walk(tree))
    called = {id(node.func) for node in nodes if isinstance(node, ast.Call)}
    for node in nodes:
        if isinstance(node, ast.Call) and ast.unparse(node.func) in {"pytest.skip", "pytest.xfail"}:
            if not node.args and not node.keywords:
                yield node
        elif isinstance(node, ast.Call) and ast.unparse(node.func) in MARKS:
            if not any(keyword.arg == "reason" for keyword in node.keywords):
                yield node
        elif isinstance(node, ast.Attribute) and ast.unparse(node) in MARKS and id(node) not in called:
            yield node


def test_modules_are_short() -> None:
    long = {str(path): n for path in ours() if (n := (ROOT / path).read_text().count("\n")) > MODULE_LINES}
    assert not long, f"modules over {MODULE_LINES} lines"


def test_functions_are_short() -> None:
    long = [
        f"{path}:{node.lineno} {node.name}"
        for path in ours()
        for node in functions(path)
        if (node.end_lineno or 0) - node.lineno + 1 > FUNCTION_LINES
    ]
    assert not long, f"functions over {FUNCTION_LINES} lines"


def test_every_module_says_what_it_is_for() -> None:
    silent = [str(path) for path in ours() if (ROOT / path).stat().st_size and not ast.get_docstring(parsed(path))]
    assert not silent


def test_only_settings_read_the_environment() -> None:
    reads = re.compile(r"\bos\.(environ|getenv)|from os import .*environ")
    readers = {str(path) for path in python("services") if reads.search((ROOT / path).read_text())}
    assert readers <= READS_ENVIRONMENT


def test_the_wire_is_a_namespace_package() -> None:
    inits = [str(path) for path in tracked() if path.name == "__init__.py" and "gen" in path.parts]
    assert not inits, "synapse.* is generated and never gets an __init__.py"


def test_the_top_level_is_as_designed() -> None:
    assert {path.parts[0] for path in tracked()} <= LAYOUT
    assert {path.parts[1] for path in tracked() if path.parts[0] == "services"} == SERVICES


@pytest.mark.parametrize("service", sorted(SERVICES - {"runtime", "standalone"}))
def test_services_have_the_same_rooms(service: str) -> None:
    folder = Path(f"services/{service}/synapse_{service}")
    inside = [path.relative_to(folder) for path in tracked() if path.is_relative_to(folder) and path.suffix == ".py"]
    names = {path.parts[0].removesuffix(".py") for path in inside}
    assert {"__init__", "__main__", "app", "settings", "ports"} <= names
    assert names & {"rpc", "http"}


@pytest.mark.parametrize("service", ["cache", "embed", "llm_router"])
def test_every_domain_module_stands_behind_a_wall(service: str) -> None:
    walls = configparser.ConfigParser()
    walls.read(ROOT / ".importlinter")
    behind = set(re.findall(rf"synapse_{service}\.(\w+)", "".join(s.get("source_modules", "") for s in walls.values())))
    folder = Path(f"services/{service}/synapse_{service}")
    inside = [path.relative_to(folder) for path in tracked() if path.is_relative_to(folder) and path.suffix == ".py"]
    modules = {path.parts[0].removesuffix(".py") for path in inside}
    assert modules - EDGES_OF_A_SERVICE - behind - {"metrics"} == set(), "name them in .importlinter"


def test_test_folders_are_packages() -> None:
    folders = {path.parent for path in python("tests")}
    assert [str(folder) for folder in folders if not (ROOT / folder / "__init__.py").exists()] == []


def test_nothing_names_a_machine_or_a_registry() -> None:
    found = [
        f"{path}: {hit.group()}"
        for path, text in texts()
        if path.name not in OF_OTHERS and (hit := MACHINE.search(text))
    ]
    assert not found


def test_nothing_is_left_for_later() -> None:
    found = [
        f"{path}: {hit.group()}"
        for path, text in texts()
        if path.name != "uv.lock" and (hit := UNFINISHED.search(text))
    ]
    assert not found


def test_the_extras_are_complete() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    assert set(extras) == {"gateway", "cache", "embed", "llm-router", "up"}
    bundle = next(line for line in extras["up"] if line.startswith(project["name"] + "["))
    assert set(re.findall(r"[\w-]+", bundle.partition("[")[2])) == set(extras) - {"up"}


def test_every_skip_says_why() -> None:
    assert not [f"{path}:{node.lineno}" for path in python("tests") for node in unexplained_skips(parsed(path))]


def test_nothing_big_and_no_weights_are_committed() -> None:
    others = [path for path in tracked() if str(path) != VERIFIER]
    big = [str(path) for path in others if (ROOT / path).stat().st_size > FILE_BYTES]
    weights = [str(path) for path in others if path.suffix in WEIGHTS]
    assert not big + weights


def test_the_verifier_that_ships_is_small_and_described() -> None:
    assert (ROOT / VERIFIER).stat().st_size <= VERIFIER_BYTES
    assert Path(VERIFIER).name in (ROOT / "docs/model-card.md").read_text()
