"""How to reach a running mesh: what scripts read in endpoint.json and what the ready screen shows."""

from __future__ import annotations

import json
import shlex
from dataclasses import asdict, dataclass

FIRST_QUESTION = "What is photosynthesis?"
SAME_QUESTION = "Can you tell me what photosynthesis is?"


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A running mesh: `url` is the gateway's root, `base_url` what an OpenAI SDK wants, `grpc` the cache service."""

    url: str
    base_url: str
    key: str
    model: str
    grpc: str
    pid: int

    @classmethod
    def at(cls, host: str, port: int, *, key: str, model: str, grpc: str, pid: int) -> Endpoint:
        """The mesh whose gateway listens on `host`:`port`."""
        url = f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
        return cls(url=url, base_url=f"{url}/v1", key=key, model=model, grpc=grpc, pid=pid)

    def as_dict(self) -> dict[str, str | int]:
        """The members of endpoint.json."""
        return asdict(self)

    def curl(self, question: str) -> str:
        """A command that asks `question` and shows the headers of the reply, to be pasted into a shell."""
        body = json.dumps({"model": self.model, "messages": [{"role": "user", "content": question}]})
        return " \\\n    ".join(
            [
                f"curl -i {self.url}/v1/chat/completions",
                f'-H "Authorization: Bearer {self.key}" -H "Content-Type: application/json"',
                f"-d {shlex.quote(body)}",
            ]
        )


def ready_text(endpoint: Endpoint, *, seconds: float, state: str) -> str:
    """The ready screen: every line that starts with two spaces works by copy and paste."""
    return f"""
Synapse is ready at {endpoint.url} (after {seconds:.1f} s).

Ask it something:
  {endpoint.curl(FIRST_QUESTION)}

Ask the same in other words; x-synapse-cache-status says HIT-L2:
  {endpoint.curl(SAME_QUESTION)}

From Python (any OpenAI SDK works; only base URL and key change):
  from openai import OpenAI
  client = OpenAI(base_url="{endpoint.base_url}", api_key="{endpoint.key}")
  client.chat.completions.create(model="{endpoint.model}", messages=[{{"role": "user", "content": "Hello"}}])

`synapse ask "..."` asks from the shell, `synapse stats` says what the cache did.
Keys, data and logs: {state}. Ctrl-C stops.
"""
