"""Writes what Envoy reads: the descriptors of the protos, and envoy/envoy.yaml out of the chart's templates by helm."""

from __future__ import annotations

import argparse
import base64
import os
import shutil
import subprocess
import sys
import tempfile
import textwrap
from pathlib import Path
from typing import Any

from google.api import annotations_pb2
from google.protobuf import descriptor_pb2
from google.rpc import error_details_pb2
from grpc_tools import protoc

ROOT = Path(__file__).resolve().parent.parent
PROTOS = ROOT / "protos"
SERVICES = ("cache/v1/cache", "embed/v1/embed", "router/v1/router")
DETAILS = "google/rpc/error_details.proto"
"""What errors carry; REST shows it as JSON."""
TEMPLATES = ROOT / "helm/synapse/charts/envoy/templates"
DESCRIPTORS = ROOT / "helm/synapse/files/synapse.pb.b64"
VALUES = ROOT / "envoy/local.yaml"
CONFIG = ROOT / "envoy/envoy.yaml"
HEAD = """# Envoy before a local mesh: gRPC and REST on one port (envoy/README.md).
# Written by scripts/envoy.py from the chart's templates and envoy/local.yaml.
"""
HELM_SECONDS = 60


def descriptors() -> bytes:
    """The protos of the services, with all that they import, as a FileDescriptorSet; SystemExit if protoc refuses."""
    well_known, details = Path(protoc.__file__).parent / "_proto", Path(error_details_pb2.__file__).parents[2]
    includes = [f"-I{folder}" for folder in (PROTOS, PROTOS / "third_party", well_known, details)]
    sources = [*(f"synapse/{name}.proto" for name in SERVICES), DETAILS]
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / "synapse.pb"
        if protoc.main(["protoc", *includes, "--include_imports", f"--descriptor_set_out={target}", *sources]):
            raise SystemExit("protoc refused the protos")
        found = descriptor_pb2.FileDescriptorSet.FromString(target.read_bytes())
    http: Any = annotations_pb2.http
    for method in (method for file in found.file for service in file.service for method in service.method):
        # Envoy knows response_body only for HttpBody; without it a message is sent whole, here {"entry": ...}.
        if method.options.HasExtension(http):
            method.options.Extensions[http].ClearField("response_body")
    return found.SerializeToString(deterministic=True)


def encoded(content: bytes) -> str:
    """Bytes as lines of base64."""
    return "\n".join(textwrap.wrap(base64.b64encode(content).decode(), 120)) + "\n"


def rendered(helm: str, values: Path = VALUES) -> str:
    """envoy.yaml as the chart's templates make it of `values`; SystemExit with helm's words where it fails."""
    with tempfile.TemporaryDirectory() as folder:
        chart = Path(folder)
        (chart / "templates").mkdir()
        (chart / "Chart.yaml").write_text("apiVersion: v2\nname: envoy\nversion: 0.1.0\n")
        for template in TEMPLATES.glob("_bootstrap*.tpl"):
            shutil.copy(template, chart / "templates")
        (chart / "templates/envoy.yaml").write_text('{{ include "synapse.envoy.bootstrap" .Values }}\n')
        command = [helm, "template", "local", folder, "--values", str(values)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=HELM_SECONDS, check=False)
    if done.returncode:
        raise SystemExit(done.stderr)
    return HEAD + done.stdout.partition("# Source: envoy/templates/envoy.yaml\n")[2]


def main() -> None:
    """Command line: no option writes both files, `--check` compares; without helm only the descriptors."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="fail when a file is not up to date")
    parser.add_argument("--helm", default=os.environ.get("HELM") or shutil.which("helm"), help="the program helm")
    given = parser.parse_args()
    made = {DESCRIPTORS: encoded(descriptors())}
    if given.helm:
        made[CONFIG] = rendered(given.helm)
    else:
        print(f"no helm here (--helm, HELM or the path): {CONFIG.name} is left as it is", file=sys.stderr)
    for target, text in made.items():
        if not given.check:
            target.write_text(text)
        elif not target.exists() or target.read_text() != text:
            sys.exit(f"{target.relative_to(ROOT)} is not up to date: run scripts/envoy.py")


if __name__ == "__main__":
    main()
