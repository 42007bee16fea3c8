"""`synapse check`: what is wrong with a configuration, or with what the mesh needs, and what helps."""

from __future__ import annotations

import asyncio
import datetime as dt
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from synapse_runtime.settings import Config, MeshSettings, SettingsError, load
from synapse_runtime.tls import Certificates
from synapse_standalone import dependencies, installation, plan, settings, validation, weights
from synapse_standalone.errors import EXIT_FAILED, CommandError
from synapse_standalone.findings import Finding, Level
from synapse_standalone.llama import MODEL_NAME
from synapse_standalone.plan import Ports, Sections
from synapse_standalone.preparation import require_port
from synapse_standalone.settings import Options
from synapse_standalone.state import MIN_FREE_BYTES, StateFolder, read_endpoint

_COMFORTABLE_BYTES = 4 * MIN_FREE_BYTES
_WIDTH = 14


def check(options: Options, environ: Mapping[str, str]) -> int:
    """Print a line for everything that was looked at; returns 1 when something would stop the mesh, else 0."""
    failed = False
    for finding in findings(options, environ):
        failed = failed or finding.level is Level.FAIL
        print(f"{finding.level:<5} {finding.what:<{_WIDTH}} {_indented(finding.text)}")
        if finding.remedy:
            print(f"{'':5} {'':<{_WIDTH}} -> {_indented(finding.remedy)}")
    return EXIT_FAILED if failed else 0


def findings(options: Options, environ: Mapping[str, str]) -> Iterator[Finding]:
    """Everything worth saying, cheap things first."""
    yield _packages()
    try:
        config = load(settings.with_config(environ, options.config))
    except SettingsError as error:
        yield Finding(Level.FAIL, "configuration", str(error), "Mend the file or variable that it names.")
        return
    wrong = validation.problems(config)
    yield from _sections(config, wrong)
    if "mesh" not in wrong:
        yield from _certificates(config.section("mesh", MeshSettings))
    state = StateFolder(options.state)
    yield _folder(state)
    yield _port(options, config.sections)
    if not wrong.keys() & {"cache", "router"}:
        yield from _dependencies(options, config.sections, environ, state)


def _packages() -> Finding:
    absent = installation.missing()
    python = ".".join(map(str, sys.version_info[:3]))
    if absent:
        remedy = f"pip install 'synapse-mesh[{','.join(sorted(set(absent.values())))}]'"
        return Finding(Level.FAIL, "installation", f"not installed: {', '.join(sorted(absent))}", remedy)
    return Finding(Level.OK, "installation", f"Python {python}, every package is there")


def _sections(config: Config, wrong: Mapping[str, str]) -> Iterator[Finding]:
    for name, complaint in wrong.items():
        yield Finding(Level.FAIL, "configuration", complaint, f"Mend the section {name!r}.")
    if not wrong:
        named = ", ".join(sorted(config.sections)) or "nothing set: the defaults"
        yield Finding(Level.OK, "configuration", f"{config.origin}: {named}")


def _certificates(mesh: MeshSettings) -> Iterator[Finding]:
    if mesh.tls is None:
        return
    try:
        expires = dt.datetime.fromtimestamp(Certificates(mesh.tls).current().expires, tz=dt.UTC)
    except SettingsError as error:
        yield Finding(Level.FAIL, "certificates", str(error), "Mend the file that it names.")
        return
    yield Finding(Level.OK, "certificates", f"{mesh.tls.cert} serves until {expires:%Y-%m-%d %H:%M} UTC")


def _folder(state: StateFolder) -> Finding:
    free = state.free_bytes()
    facts = f"{state.path}, {free >> 20} MiB free"
    running = _running(state.path)
    if running:
        return Finding(Level.OK, "state", f"{facts}; a mesh runs on it (process {running})")
    try:
        with state.open():
            state.write(state.path / "writable", "")
            (state.path / "writable").unlink()
    except CommandError as error:
        return Finding(Level.FAIL, "state", error.message, error.remedy)
    if free < _COMFORTABLE_BYTES:
        return Finding(Level.WARN, "state", facts, "Free some space soon.")
    return Finding(Level.OK, "state", facts)


def _port(options: Options, user: Sections) -> Finding:
    host, port = plan.gateway_address(options, user)
    try:
        require_port(host, port)
    except CommandError as error:
        if _running(options.state):
            return Finding(Level.OK, "gateway", f"{host}:{port} is in use while a mesh runs")
        return Finding(Level.FAIL, "gateway", error.message, error.remedy)
    return Finding(Level.OK, "gateway", f"{host}:{port} is free")


def _dependencies(
    options: Options, user: Sections, environ: Mapping[str, str], state: StateFolder
) -> Iterator[Finding]:
    ports = Ports.of(user)
    routes = plan.make_routes(options, user, environ, ports)
    secrets = plan.Secrets(api_key="", mesh="", valkey="none")
    layers = plan.make_layers(options, user, routes=routes, ports=ports, secrets=secrets, state=state)
    sections = layers.around(user)
    yield _weights(weights.EMBEDDER, "embeddings")
    if plan.has_valkey(sections, ports):
        yield dependencies.valkey(plan.valkey_server())
    else:
        yield asyncio.run(dependencies.redis(str(sections["cache"]["redis_url"])))
    if sections["cache"].get("vectors") == "milvus":
        yield dependencies.milvus(sections["cache"])
    if any(backend.get("models") == [MODEL_NAME] for backend in sections["router"]["backends"]):
        yield _weights(weights.SMALL_MODEL, "model")
    from synapse_standalone import backends  # loads the router, which may be what is missing

    yield from backends.findings(sections["router"], environ)


def _weights(wanted: weights.Weights, what: str) -> Finding:
    try:
        path = weights.verify(wanted, seen=None)
    except CommandError as error:
        return Finding(Level.FAIL, what, error.message, error.remedy)
    return Finding(Level.OK, what, f"{wanted.purpose} is whole ({path.stat().st_size >> 20} MiB)")


def _running(path: Path) -> Any:
    try:
        return read_endpoint(path)["pid"]
    except CommandError:
        return None


def _indented(text: str) -> str:
    return text.replace("\n", "\n" + " " * (_WIDTH + 7))
