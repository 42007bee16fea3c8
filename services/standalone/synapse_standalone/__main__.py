"""The command line: `synapse up`, what asks the mesh that it runs, and what needs none."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from importlib import metadata
from pathlib import Path

from synapse_standalone import analytics, explain, feedback, invalidation, reembedding, settings, transfer, warming
from synapse_standalone.errors import CommandError
from synapse_standalone.settings import DEFAULT_PORT, DEFAULT_STATE, Options
from synapse_standalone.thresholds import add_arguments as add_thresholds

_TOKEN_SECONDS = 3600.0
_ROLES = ("admin", "operator", "viewer")


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns its exit status."""
    arguments = _parser().parse_args(argv)
    run: Callable[[argparse.Namespace], int] = arguments.run
    try:
        status = run(arguments)
        sys.stdout.flush()
    except CommandError as error:
        sys.stderr.write(f"synapse: {error}\n")
        return error.status
    except BrokenPipeError:  # who read the output has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except KeyboardInterrupt:
        return 130
    return status


def _up(arguments: argparse.Namespace) -> int:
    from synapse_standalone.app import up

    return up(_options(arguments), settings.environment())


def _check(arguments: argparse.Namespace) -> int:
    from synapse_standalone.check import check

    return check(_options(arguments), settings.environment())


def _ask(arguments: argparse.Namespace) -> int:
    from synapse_standalone import client
    from synapse_standalone.state import read_endpoint

    endpoint = read_endpoint(arguments.state)
    asked = {"stream": arguments.stream, "model": arguments.model, "ids": arguments.ids}
    for piece in client.ask(endpoint, arguments.prompt, **asked):
        sys.stdout.write(piece)
        sys.stdout.flush()
    return 0


def _stats(arguments: argparse.Namespace) -> int:
    from synapse_standalone import client
    from synapse_standalone.state import read_endpoint

    return _printed(client.stats_lines(client.stats(read_endpoint(arguments.state))))


def _backends(arguments: argparse.Namespace) -> int:
    from synapse_standalone import client, tables
    from synapse_standalone.state import read_endpoint

    return _printed(tables.backend_lines(client.backends(read_endpoint(arguments.state))))


def _models(arguments: argparse.Namespace) -> int:
    from synapse_standalone import client, tables
    from synapse_standalone.state import read_endpoint

    return _printed(tables.model_lines(client.models(read_endpoint(arguments.state))))


def _config(arguments: argparse.Namespace) -> int:
    from synapse_standalone import client, tables
    from synapse_standalone.state import read_endpoint

    endpoint = read_endpoint(arguments.state)
    if arguments.action == "show":
        return _printed(tables.config_lines(client.configuration(endpoint)))
    validate_only = arguments.action == "validate"
    told = client.reload(endpoint, validate_only=validate_only)
    return _printed(tables.change_lines(told, validate_only=validate_only))


def _thresholds(arguments: argparse.Namespace) -> int:
    from synapse_standalone import thresholds

    return thresholds.run(arguments)


def _printed(lines: Sequence[str]) -> int:
    for line in lines:
        print(line)
    return 0


def _token(arguments: argparse.Namespace) -> int:
    from synapse_runtime.identity import Identity, Role, TokenSigner
    from synapse_standalone.state import kept_mesh_secret

    signer = TokenSigner(kept_mesh_secret(arguments.state))
    identity = Identity(arguments.tenant, arguments.subject, Role(arguments.role))
    print(signer.token(identity, lifetime_seconds=arguments.ttl))
    return 0


def _version(_arguments: argparse.Namespace) -> int:
    print(metadata.version("synapse-mesh"))
    return 0


def _options(arguments: argparse.Namespace) -> Options:
    return Options(
        host=arguments.host,
        port=arguments.port,
        state=arguments.state,
        config=arguments.config,
        upstream=arguments.upstream,
        redis_url=arguments.redis_url,
        milvus=arguments.milvus,
        log_level=arguments.log_level,
        local=arguments.local,
        quiet=getattr(arguments, "quiet", False),
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="synapse", description="A semantic-caching proxy for LLMs, on this machine.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    up = _command(commands, "up", _up, "run the whole mesh here until Ctrl-C")
    _add_mesh_flags(up)
    up.add_argument("--quiet", action="store_true", help="print only what goes wrong")
    check = _command(commands, "check", _check, "say what is wrong with the configuration or with what it needs")
    _add_mesh_flags(check)
    ask = _command(commands, "ask", _ask, "ask the running mesh and say where the answer came from")
    ask.add_argument("prompt", help="the question")
    ask.add_argument("--stream", action="store_true", help="print the answer as it comes")
    ask.add_argument("--model", help="model to ask (default: the one in endpoint.json)")
    ask.add_argument("--ids", action="store_true", help="show the ids by which `synapse feedback` names the answer")
    summary = "say what the cache would do with a question, and why"
    explain.add_arguments(_command(commands, "explain", explain.run, summary))
    feedback.add_arguments(_command(commands, "feedback", feedback.run, "tell whether an answer was right"))
    invalidation.add_invalidate(_command(commands, "invalidate", invalidation.invalidate, "take stored answers back"))
    summary = "show what was taken back, by whom and why"
    invalidation.add_invalidations(_command(commands, "invalidations", invalidation.invalidations, summary))
    _command(commands, "stats", _stats, "show what the cache did since it started")
    analytics.add_logs(_command(commands, "logs", analytics.logs, "show the last requests and what became of them"))
    analytics.add_savings(_command(commands, "savings", analytics.savings, "show what hits saved, by model and day"))
    summary = "try thresholds on the last requests, changing nothing"
    analytics.add_simulate(_command(commands, "simulate", analytics.simulate, summary))
    transfer.add_export(_command(commands, "export", transfer.export, "write what the cache holds to a file"))
    transfer.add_import(_command(commands, "import", transfer.import_, "bring an export into the cache"))
    warming.add_arguments(_command(commands, "warm", warming.run, "store answers that are known beforehand"))
    summary = "move to another embedding model while the present one serves"
    reembedding.add_arguments(_command(commands, "reembed", reembedding.run, summary))
    _command(commands, "backends", _backends, "show how the backends of the running mesh are doing")
    _command(commands, "models", _models, "list the models that can be asked")
    config = _command(commands, "config", _config, "show the router's configuration, or let it be read anew")
    config.add_argument(
        "action",
        choices=("show", "validate", "reload"),
        nargs="?",
        default="show",
        help="show what is in use, say what a changed file would bring, or use it now (a change is seen by itself)",
    )
    add_thresholds(_command(commands, "thresholds", _thresholds, "show and set when stored answers are reused"))
    token = _command(commands, "token", _token, "sign an identity for direct gRPC calls (metadata x-synapse-identity)")
    token.add_argument("--tenant", default="default", help="whose cache the calls use (default: %(default)s)")
    token.add_argument("--subject", default="command line", help="name in logs (default: %(default)s)")
    token.add_argument("--role", choices=_ROLES, default="admin", help="what the calls may do (default: %(default)s)")
    token.add_argument(
        "--ttl", type=float, default=_TOKEN_SECONDS, metavar="SECONDS", help="life (default: %(default)s)"
    )
    _command(commands, "version", _version, "print the version")
    return parser


def _command(
    commands: argparse._SubParsersAction[argparse.ArgumentParser],
    name: str,
    run: Callable[[argparse.Namespace], int],
    summary: str,
) -> argparse.ArgumentParser:
    command = commands.add_parser(name, help=summary, description=f"{summary[0].upper()}{summary[1:]}.")
    command.set_defaults(run=run)
    if name != "version":
        command.add_argument(
            "--state",
            type=Path,
            default=DEFAULT_STATE,
            metavar="DIR",
            help="keys, data and logs (default: %(default)s)",
        )
    return command


def _add_mesh_flags(command: argparse.ArgumentParser) -> None:
    command.add_argument("--port", type=_port, help=f"port of the gateway (default: {DEFAULT_PORT})")
    command.add_argument("--host", help="address of the gateway (default: 127.0.0.1)")
    command.add_argument("--upstream", metavar="URL", help="OpenAI-compatible server that gets every model name")
    command.add_argument("--config", type=Path, metavar="FILE", help="configuration (JSON) of the services")
    command.add_argument("--redis-url", metavar="URL", help="a Redis of your own instead of the embedded Valkey")
    command.add_argument("--milvus", metavar="HOST:PORT", help="a Milvus of your own instead of the embedded store")
    command.add_argument(
        "--log-level", metavar="FILTER", help="RUST_LOG-style filter, such as info or info,synapse=debug"
    )
    command.add_argument(
        "--local", action="store_true", help="use the small model here even when a provider's key is set"
    )


def _port(text: str) -> int:
    port = int(text)
    if not 0 < port < 65536:
        raise argparse.ArgumentTypeError(f"{port} is not a port")
    return port


if __name__ == "__main__":
    sys.exit(main())
