"""A service as a process: it stops when told, and says in one line why it cannot start."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys

import pytest

PROGRAM = """
import asyncio, sys
from prometheus_client import generate_latest
from synapse_runtime import process
from synapse_runtime.settings import MeshSettings, SettingsError

async def serve(config, stopping):
    config.section("mesh", MeshSettings)
    kind = sys.argv[1]
    if kind == "taken":
        raise OSError("cannot listen on 127.0.0.1:1: is the port in use?")
    if kind == "bug":
        raise KeyError("bug")
    print("serving", flush=True)
    if kind == "metrics":
        print(generate_latest().decode(), flush=True)
        return
    await stopping.wait()
    print("drained", flush=True)

process.run("cache", serve)
"""


def start(kind="good", **environ):
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("SYNAPSE_")}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    return subprocess.Popen([sys.executable, "-c", PROGRAM, kind], env=inherited | environ, text=True, **pipes)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_cleanly_after_its_own_drain(number):
    with start() as process:
        assert process.stdout.readline() == "serving\n"
        process.send_signal(number)
        out, err = process.communicate(timeout=10)
    assert (process.returncode, err) == (0, "")
    assert out.startswith("drained\n")


@pytest.mark.parametrize(
    ("environ", "told"),
    [
        ({"SYNAPSE_MESH__DRAIN_SECONDS": "-1"}, "mesh.drain_seconds"),
        ({"SYNAPSE_CONFIG_PATH": "/no/such.json"}, "/no/such.json"),
        ({"RUST_LOG": "synapse=loud"}, "synapse=loud"),
    ],
)
def test_a_wrong_configuration_is_status_78_and_names_itself(environ, told):
    with start(**environ) as process:
        _, err = process.communicate(timeout=10)
    assert process.returncode == 78
    assert told in err
    assert "Traceback" not in err


def test_an_address_that_cannot_be_had_is_status_69_and_one_line():
    with start("taken") as process:
        _, err = process.communicate(timeout=10)
    assert (process.returncode, err) == (69, "synapse cache: cannot listen on 127.0.0.1:1: is the port in use?\n")


def test_a_bug_is_no_clean_end():
    with start("bug") as process:
        _, err = process.communicate(timeout=10)
    assert process.returncode == 1
    assert "KeyError" in err


def test_its_metrics_say_what_runs():
    with start("metrics") as process:
        out, _ = process.communicate(timeout=10)
    assert re.search(r'^synapse_build_info\{component="cache",version="[^"]+"\} 1', out, re.MULTILINE)
