"""From flags, environment and state folder to everything that must be known before the first process starts."""

from __future__ import annotations

import json
from collections.abc import Mapping

from synapse_runtime.settings import Config, SettingsError, config_files, load, overrides
from synapse_standalone import plan, providers, settings, validation, weights
from synapse_standalone.errors import EXIT_CONFIG, EXIT_UNAVAILABLE, CommandError
from synapse_standalone.llama import MODEL_NAME
from synapse_standalone.loopback import bind_error, in_use
from synapse_standalone.plan import Layers, Ports, Prepared, Secrets
from synapse_standalone.settings import Options
from synapse_standalone.state import KEY_PREFIX, StateFolder


def prepare(options: Options, environ: Mapping[str, str], state: StateFolder) -> Prepared:
    """Check what can be checked and write the configuration into the open state folder; raises CommandError."""
    user = read_config(options, environ).sections
    host, port = plan.gateway_address(options, user)
    require_port(host, port)
    ports = Ports.of(user)
    routes = plan.make_routes(options, user, environ, ports)
    secrets = _secrets(environ, user, state)
    layers = plan.make_layers(options, user, routes=routes, ports=ports, secrets=secrets, state=state)
    sections = layers.around(user)
    small_model = None
    if any(route.example == MODEL_NAME for route in routes):
        small_model = weights.verify(weights.SMALL_MODEL, seen=state.path / "weights.json")
    weights.locate(weights.EMBEDDER)  # its service checks the content
    for_router = _for_router(options, environ, layers, state)
    parts = plan.make_parts(sections, ports=ports, state=state, small_model=small_model, for_router=for_router)
    state.write(state.valkey_config, plan.valkey_config(state, ports, secrets))
    state.write(state.config_file, json.dumps(sections, indent=2) + "\n")
    return Prepared(
        parts=parts,
        environment=settings.for_children(environ, state.config_file, secrets=providers.KEY_VARIABLES),
        host=plan.reachable(host),
        port=port,
        grpc=sections["mesh"]["cache_target"],
        key=secrets.api_key,
        model=next((route.example for route in routes if route.example), ""),
    )


def _for_router(options: Options, environ: Mapping[str, str], layers: Layers, state: StateFolder) -> dict[str, str]:
    """What the llm-router sees: the providers' keys, and the user's own files, so that it reads them anew.

    The other services have the whole as it was at the start, in one file.
    """
    above = plan.laid_over(overrides(environ), layers.above)
    state.write(state.below_file, json.dumps(layers.below, indent=2) + "\n")
    state.write(state.above_file, json.dumps(above, indent=2) + "\n")
    theirs = [path.absolute() for path in config_files(settings.with_config(environ, options.config)) if path.exists()]
    keys = {name: environ[name] for name in providers.KEY_VARIABLES if environ.get(name)}
    return keys | settings.config_of([state.below_file, *theirs, state.above_file])


def read_config(options: Options, environ: Mapping[str, str]) -> Config:
    """The user's configuration, every section of it checked; raises CommandError with all complaints."""
    try:
        config = load(settings.with_config(environ, options.config))
    except SettingsError as error:
        raise _wrong(str(error)) from error
    complaints = validation.problems(config) if config.sections else {}
    if complaints:
        raise _wrong("\n".join(complaints.values()))
    return config


def require_port(host: str, port: int) -> None:
    """Raise CommandError when the gateway could not listen there."""
    error = bind_error(host, port)
    if error is None:
        return
    if in_use(error):
        raise CommandError(
            f"port {port} of {host} is in use",
            status=EXIT_UNAVAILABLE,
            remedy=f"Stop what listens there, or take another port: synapse up --port {port + 1}",
        )
    raise CommandError(
        f"cannot listen on {host}:{port}: {error.strerror}",
        status=EXIT_UNAVAILABLE,
        remedy="Take another address with --host and --port (ports below 1024 are the administrator's).",
    )


def _secrets(environ: Mapping[str, str], user: plan.Sections, state: StateFolder) -> Secrets:
    configured = str(user.get("gateway", {}).get("api_key", ""))
    return Secrets(
        api_key=settings.api_key(environ) or configured or state.secret("key", prefix=KEY_PREFIX),
        mesh=str(user.get("mesh", {}).get("secret", "")) or state.secret("mesh-secret"),
        valkey=state.secret("valkey-password"),
    )


def _wrong(complaint: str) -> CommandError:
    return CommandError(complaint, status=EXIT_CONFIG, remedy="`synapse check` looks at everything else, too.")
