"""The double of Text Embeddings Inference as the program of a pod, with the flags of the real one that a chart may use.

`python -m tests.support.cluster.tei --model-id NAME --port PORT`
"""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
from pathlib import Path

from tests.support.http_double import Received
from tests.support.tei_server import TeiHttpDouble


class TeiPod(TeiHttpDouble):
    """The double with the probe that a kubelet asks."""

    async def _answer(self, request: Received, writer: asyncio.StreamWriter) -> bool:
        if request.path == "/health":
            return await self._plain(writer, {})
        return await super()._answer(request, writer)


async def serve(arguments: argparse.Namespace) -> None:
    """Serve on all addresses until SIGTERM."""
    double, over = TeiPod(), asyncio.Event()
    double.served.model_id = arguments.model_id
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, over.set)
    server = await asyncio.start_server(double.connected, "0.0.0.0", arguments.port)
    await over.wait()
    server.close()
    await double.close()


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--model-id", required=True)
    parser.add_argument("--revision")
    parser.add_argument("--port", type=int, required=True)
    Path(os.environ["HUGGINGFACE_HUB_CACHE"], "model").touch()  # the real one downloads to it
    asyncio.run(serve(parser.parse_args()))
