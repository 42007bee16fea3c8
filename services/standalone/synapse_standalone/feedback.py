"""`synapse feedback`: tell the running mesh whether an answer was right, and say what became of it."""

from __future__ import annotations

import argparse

_MEMBERS = ("request_id", "prompt", "comment")
_EFFECTS = {
    "confirmed": "confirmed: this wording leads to the answer from now on",
    "split": "split: this wording never gets the answer again, others still do",
    "evicted": "evicted: the answer is gone",
    "noted": "noted",
}


def add_arguments(command: argparse.ArgumentParser) -> None:
    """What `synapse feedback` can be told."""
    command.add_argument(
        "entry_id", metavar="ENTRY_ID", help="the answer's id: header x-synapse-entry-id, or ask --ids"
    )
    command.add_argument("rating", choices=("right", "wrong"), help="whether it was right for what was asked")
    command.add_argument(
        "--request-id", metavar="ID", help="request it was served to: header x-request-id, or ask --ids"
    )
    command.add_argument("--prompt", metavar="TEXT", help="wording it was served to, where the request is not known")
    command.add_argument("--comment", metavar="TEXT", help="words for the cache's log, which shows them at debug level")


def run(arguments: argparse.Namespace) -> int:
    """Report, and print what became of it."""
    from synapse_standalone import client
    from synapse_standalone.state import read_endpoint

    said = {"entry_id": arguments.entry_id, "rating": f"RATING_{arguments.rating.upper()}"}
    said |= {name: value for name in _MEMBERS if (value := getattr(arguments, name))}
    effect = client.admin(read_endpoint(arguments.state), "POST", "/api/v1/feedback", said)["effect"]
    print(_EFFECTS.get(effect, effect))
    return 0
