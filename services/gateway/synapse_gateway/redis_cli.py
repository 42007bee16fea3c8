"""`redis-cli -u URL COMMAND ...` for containers that have none: sends one command to Redis and prints the reply."""

from __future__ import annotations

import argparse
import sys

import redis

_SECONDS = 5.0


def main(arguments: list[str] | None = None) -> int:
    """Send the command; returns 1 when Redis cannot be reached or refuses it."""
    parser = argparse.ArgumentParser(prog="redis-cli", description="Sends one command to Redis.")
    parser.add_argument("-u", dest="url", default="redis://127.0.0.1:6379/0", help="redis:// or rediss:// URL")
    parser.add_argument("command", nargs=argparse.REMAINDER, help="PING, INFO, GET key, ...")
    given = parser.parse_args(arguments)
    if not given.command:
        parser.error("give a command, such as: redis-cli -u $REDIS_URL ping")
    try:
        with redis.Redis.from_url(given.url, socket_timeout=_SECONDS, socket_connect_timeout=_SECONDS) as client:
            # A client's own commands are parsed into objects; a bare connection gives what Redis said.
            connection = client.connection_pool.get_connection()
            connection.send_command(*given.command)
            reply = connection.read_response()
    except (redis.RedisError, ValueError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    sys.stdout.write("".join(f"{line}\n" for line in _lines(reply)))
    return 0


def _lines(reply: object) -> list[str]:
    if isinstance(reply, bytes):
        return [reply.decode(errors="replace")]
    if isinstance(reply, dict):
        return [line for pair in reply.items() for part in pair for line in _lines(part)]
    if isinstance(reply, list | tuple | set | frozenset):
        return [line for part in reply for line in _lines(part)]
    return ["(nil)" if reply is None else str(reply)]


if __name__ == "__main__":
    sys.exit(main())
