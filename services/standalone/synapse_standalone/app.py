"""`synapse up`, put together: prepare the state, start every part, say how to use it, keep it running, end in order."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace

from synapse_standalone import installation
from synapse_standalone.apart import apart
from synapse_standalone.child import Child, Part
from synapse_standalone.endpoint import Endpoint, ready_text
from synapse_standalone.errors import EXIT_INTERRUPTED, CommandError
from synapse_standalone.logfile import LogFile
from synapse_standalone.loopback import MeaningReady
from synapse_standalone.plan import Prepared
from synapse_standalone.screen import FRAME_SECONDS, Screen, make_screen
from synapse_standalone.settings import Options
from synapse_standalone.state import StateFolder
from synapse_standalone.supervisor import Supervisor

_ANY_MODEL = "default"
_WARM_SECONDS = 5.0


def up(options: Options, environ: Mapping[str, str]) -> int:
    """Run the mesh until it is told to stop; returns the exit status, raises CommandError when it cannot run."""
    began = time.monotonic()
    installation.require()
    state = StateFolder(options.state)
    with state.open():
        prepared = apart(lambda: _prepare(options, environ, state))
        run = Run(prepared, state, make_screen(quiet=options.quiet), began=began)
        try:
            asyncio.run(run.until_stopped())
        finally:
            run.screen.end()
            state.remove_endpoint()
    return EXIT_INTERRUPTED if run.interrupts > 1 else 0


def _prepare(options: Options, environ: Mapping[str, str], state: StateFolder) -> Prepared:
    from synapse_standalone.preparation import prepare  # loads the settings of every service

    return prepare(options, environ, state)


@dataclass
class Run:
    """One life of the mesh; `interrupts` counts the signals that asked it to end."""

    prepared: Prepared
    state: StateFolder
    screen: Screen
    began: float
    interrupts: int = 0

    async def until_stopped(self) -> None:
        """Start everything, publish the endpoint, wait for a signal, stop everything in order."""
        supervisor = Supervisor(self.screen.child)
        stopping = self._listen(supervisor)
        children = [self._child(part, supervisor) for part in self.prepared.parts]
        self.screen.begin(children)
        async with supervisor.running(children):
            if await self._all_ready(supervisor, stopping):
                await self._warm(stopping)
                await self._publish()
                await stopping.wait()
            self.state.remove_endpoint()

    def _listen(self, supervisor: Supervisor) -> asyncio.Event:
        """The first signal asks for an end in order, the second for an end at once."""
        stopping = asyncio.Event()
        loop = asyncio.get_running_loop()
        kills: set[asyncio.Task[None]] = set()

        def interrupted() -> None:
            self.interrupts += 1
            if self.interrupts == 1:
                stopping.set()
                self.screen.say("stopping (once more to stop at once)")
            else:
                kills.add(loop.create_task(supervisor.kill()))

        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            loop.add_signal_handler(number, interrupted)
        return stopping

    def _child(self, part: Part, supervisor: Supervisor) -> Child:
        log = LogFile(self.state.logs / f"{part.name}.log")
        return Child(part, self.prepared.environment, log, supervisor.child_changed)

    async def _publish(self) -> None:
        ready = self.prepared
        endpoint = Endpoint.at(
            ready.host, ready.port, key=ready.key, model=ready.model or _ANY_MODEL, grpc=ready.grpc, pid=os.getpid()
        )
        if not ready.model:
            endpoint = await asyncio.to_thread(_with_model, endpoint)
        self.state.write_endpoint(endpoint.as_dict())
        seconds = time.monotonic() - self.began
        self.screen.ready(ready_text(endpoint, seconds=seconds, state=str(self.state.path)))

    async def _all_ready(self, supervisor: Supervisor, stopping: asyncio.Event) -> bool:
        """Wait until every part serves, moving the screen; False when told to stop before."""
        tasks = [asyncio.create_task(supervisor.until_ready()), asyncio.create_task(stopping.wait())]
        try:
            done: set[asyncio.Task[object]] = set()
            while not done:
                done, _ = await asyncio.wait(tasks, timeout=FRAME_SECONDS, return_when=asyncio.FIRST_COMPLETED)
                self.screen.frame()
            for task in done:
                task.result()
        finally:
            for task in tasks:
                task.cancel()
        return not stopping.is_set()

    async def _warm(self, stopping: asyncio.Event) -> None:
        """Let the cache find the embedder, which it does not wait for itself, but not for long."""
        ready = self.prepared
        knows = MeaningReady(ready.port, ready.key, ready.host)
        with suppress(TimeoutError):
            async with asyncio.timeout(_WARM_SECONDS):
                while not stopping.is_set() and not await knows():  # noqa: ASYNC110  # another process knows
                    await asyncio.sleep(FRAME_SECONDS)


def _with_model(endpoint: Endpoint) -> Endpoint:
    """The endpoint with a model that the gateway lists, if it lists any."""
    from synapse_standalone import client

    try:
        return replace(endpoint, model=client.first_model(endpoint.as_dict()) or endpoint.model)
    except CommandError:
        return endpoint
