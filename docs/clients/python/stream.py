"""Asks Synapse a question twice over gRPC, streamed: the second answer comes from the cache.

It needs the wheel synapse-protos (docs/clients.md).

    python stream.py --model gpt-4o-mini "What is the capital of France?"
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

import grpc
from google.rpc import error_details_pb2, status_pb2

from synapse.cache.v1 import cache_pb2, cache_pb2_grpc, outcome_pb2
from synapse.llm.v1 import request_pb2

SECONDS = 120


def ask(channel: grpc.Channel, key: str, model: str, text: str) -> None:
    """Print an answer as it comes, and what the cache did."""
    question = request_pb2.GenerationRequest(model=model, kind=request_pb2.GENERATION_KIND_CHAT)
    question.messages.add(role="user", text=text)
    stream = cache_pb2_grpc.CacheServiceStub(channel).StreamGenerate(
        cache_pb2.StreamGenerateRequest(request=question),
        metadata=[("authorization", f"Bearer {key}")],
        timeout=SECONDS,
    )
    outcome = outcome_pb2.Outcome()
    for message in stream:
        outcome.MergeFrom(message.outcome)
        for event in message.events:
            print("".join(delta.content for delta in event.deltas), end="", flush=True)
    status = outcome_pb2.CacheStatus.Name(outcome.status).removeprefix("CACHE_STATUS_")
    print(f"\n[{status}: {outcome.reason}]")


def explain(error: grpc.RpcError) -> str:
    """What failed, why, and when to try again."""
    words = [f"{error.code().name}: {error.details()}"]
    trailers = dict(error.trailing_metadata() or ())
    status = status_pb2.Status.FromString(trailers.get("grpc-status-details-bin", b""))
    info, retry = error_details_pb2.ErrorInfo(), error_details_pb2.RetryInfo()
    for detail in status.details:
        if detail.Unpack(info):
            words.append(f"reason {info.reason}")
        if detail.Unpack(retry):
            words.append(f"again in {retry.retry_delay.ToTimedelta().total_seconds():g} s")
    return "; ".join(words)


def main() -> None:
    """Ask as the command line says."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("question")
    parser.add_argument("--model", required=True)
    parser.add_argument("--address", default=os.environ.get("SYNAPSE_GRPC", "localhost:50050"), help="of Envoy")
    parser.add_argument("--key", default=os.environ.get("SYNAPSE_API_KEY", ""))
    parser.add_argument("--ca", type=Path, help="PEM file of who signed Envoy's certificate; without it, plain text")
    given = parser.parse_args()
    channel = (
        grpc.secure_channel(given.address, grpc.ssl_channel_credentials(given.ca.read_bytes()))
        if given.ca
        else grpc.insecure_channel(given.address)
    )
    with channel:
        try:
            for _ in range(2):
                ask(channel, given.key, given.model, given.question)
        except grpc.RpcError as error:
            sys.exit(explain(error))


if __name__ == "__main__":
    main()
