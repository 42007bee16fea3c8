"""Serves the small language model over the OpenAI wire: `python -m synapse_standalone.llama --model FILE --port N`."""

from __future__ import annotations

import argparse
import os
import signal
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

MODEL_NAME = "smollm2-135m-instruct"
_CONTEXT_TOKENS = 4096
_PARALLEL = 2
_MOST_THREADS = 4
_MOST_ANSWER_TOKENS = 1024
_PROMPT_CACHE_MIB = 64
_TEMPERATURE = 0.2  # with top_p .9 what the model's authors recommend; unset it answers in riddles
_TOP_P = 0.9
_REPEAT_PENALTY = 1.1


def serve(model: Path, port: int) -> None:
    """Serve on 127.0.0.1:`port` until SIGTERM or SIGINT; /health answers 200 once the model does."""
    library: Any = import_module("xllamacpp")  # its names are made in C++, unseen by type checkers
    params = library.CommonParams()
    params.model.path = str(model)
    params.model_alias = {MODEL_NAME}
    params.port = port
    params.n_ctx = _CONTEXT_TOKENS
    params.n_parallel = _PARALLEL
    params.kv_unified = True
    params.n_predict = _MOST_ANSWER_TOKENS
    params.cache_ram_mib = _PROMPT_CACHE_MIB
    params.cpuparams.n_threads = min(os.cpu_count() or 1, _MOST_THREADS)
    params.sampling.temp = _TEMPERATURE
    params.sampling.top_p = _TOP_P
    params.sampling.penalty_repeat = _REPEAT_PENALTY
    params.verbosity = 1
    signals = (signal.SIGTERM, signal.SIGINT)
    signal.pthread_sigmask(signal.SIG_BLOCK, signals)  # before its threads start, so that they come to us
    server = library.Server(params)
    sys.stdout.write(f"serving {MODEL_NAME} on {server.listening_address}\n")
    signal.sigwait(signals)


def main() -> None:
    """Run the server."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", type=Path, required=True, help="GGUF file")
    parser.add_argument("--port", type=int, required=True)
    arguments = parser.parse_args()
    serve(arguments.model, arguments.port)


if __name__ == "__main__":
    main()
