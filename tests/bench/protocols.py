"""What every protocol of the clients and every wire of the backends costs: steps beside those of the plan."""

from __future__ import annotations

from collections.abc import Mapping

from tests.bench.backends import STREAMED_MODEL, model_of
from tests.bench.doors import Door
from tests.bench.plan import Plan, Step
from tests.bench.tongues import CLIENT_TONGUES, WIRES

LEVELS = (1, 16)
EXACT_ONLY = ("x-synapse-max-error", "0")
THROUGH = ("x-synapse-skip-cache", "true")
MISSES = {"chat": "exact-miss", "messages": "messages-miss", "responses": "responses-miss"}
"""The step of a miss without a lookup by meaning, by the protocol of the client."""
HITS = {"chat": "exact", "messages": "messages-hit", "responses": "responses-hit"}
STREAMED_HITS = {"chat": "streamed-hit", "messages": "messages-streamed-hit", "responses": "responses-streamed-hit"}


def steps(plan: Plan) -> Mapping[str, Step]:
    """By name; what chat completions do over OpenAI's wire is in the plan."""
    made: dict[str, Step] = {}
    world = plan.world
    for level in LEVELS:
        for wire, tongue in WIRES.items():
            model = model_of(wire)
            made[f"direct-{wire}-c{level}"] = plan.new(Door(world.upstream.port, tongue), level, model=model)
            if level == 1:  # at more, what is written behind an answer hides what the wires cost
                made[f"wire-{wire}-c1"] = plan.new(world.door_in("chat", EXACT_ONLY), level, model=model)
            made[f"through-{wire}-c{level}"] = plan.new(world.door_in("chat", THROUGH), level, model=model)
        for name in [name for name in CLIENT_TONGUES if name != "chat"]:
            door = world.door_in(name)
            made[f"{HITS[name]}-c{level}"] = plan.hits(door, level)
            made[f"{STREAMED_HITS[name]}-c{level}"] = plan.hits(door, level, model=STREAMED_MODEL, stream=True)
            made[f"{MISSES[name]}-c{level}"] = plan.new(world.door_in(name, EXACT_ONLY), level)
    return made
