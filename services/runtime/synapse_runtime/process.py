"""A service as a process: settings, logs and traces set up, run until SIGTERM or SIGINT, clear exit codes."""

from __future__ import annotations

import asyncio
import gc
import logging
import signal
import sys
from collections.abc import Awaitable, Callable
from importlib.metadata import PackageNotFoundError, version

import uvloop
from prometheus_client import Gauge

from synapse_runtime import logs, tracing
from synapse_runtime.settings import Config, SettingsError, TelemetrySettings, load

_GC_THRESHOLD = 50_000  # requests leave hardly a cycle behind; the default of 700 looks for them all the time
EXIT_CONFIG = 78
EXIT_UNAVAILABLE = 69
_BUILD = Gauge("synapse_build_info", "1: which service this is, and its version.", ["component", "version"])
_log = logging.getLogger("synapse.process")


def run(service: str, serve: Callable[[Config, asyncio.Event], Awaitable[None]]) -> None:
    """Run `serve(config, stopping)` until it returns; `stopping` is set on SIGTERM and SIGINT.

    Ends the process with status 78 and one line on standard error when the configuration is wrong, 69 when an
    address or a file cannot be had.
    """
    try:
        config = load()
        telemetry = config.section("telemetry", TelemetrySettings)
        logs.configure(service, telemetry.log_filter)
    except (SettingsError, logs.LogFilterError) as error:
        sys.exit(_complain(service, error, EXIT_CONFIG))
    gc.set_threshold(_GC_THRESHOLD, 20, 100)
    _BUILD.labels(service, _version()).set(1)
    flush = tracing.start(service, telemetry)
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(_until_stopped(config, serve))
    except SettingsError as error:
        sys.exit(_complain(service, error, EXIT_CONFIG))
    except OSError as error:
        sys.exit(_complain(service, error, EXIT_UNAVAILABLE))
    finally:
        flush()
    _log.info("stopped")


async def _until_stopped(config: Config, serve: Callable[[Config, asyncio.Event], Awaitable[None]]) -> None:
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    await serve(config, stopping)


def _version() -> str:
    try:
        return version("synapse-mesh")
    except PackageNotFoundError:  # run from a source tree that is not installed
        return "0"


def _complain(service: str, error: Exception, status: int) -> int:
    sys.stderr.write(f"synapse {service}: {error}\n")
    return status
