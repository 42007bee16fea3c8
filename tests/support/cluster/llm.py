"""The small LLM of `tests.support.llama_server` as the program of a pod: `python -m tests.support.cluster.llm PORT`."""

from __future__ import annotations

import signal
import sys
from typing import Any

from tests.support.llama_server import MODEL, find_weights


def main(port: str) -> None:
    """Serve on all addresses until SIGTERM."""
    import xllamacpp

    llama: Any = xllamacpp
    params = llama.CommonParams()
    params.model.path = str(find_weights())
    params.model_alias = {MODEL}
    params.n_ctx = 4096
    params.n_parallel = 4
    params.cpuparams.n_threads = 1
    params.hostnames = ["0.0.0.0"]
    params.port = int(port)
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    server = llama.Server(params)
    signal.sigwait({signal.SIGTERM})
    del server


if __name__ == "__main__":
    main(*sys.argv[1:])
