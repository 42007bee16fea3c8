"""The HTTP face: routes, the forms of errors, documentation."""

from __future__ import annotations

from collections.abc import Mapping

import orjson
from fastapi import FastAPI, Request
from prometheus_client import CONTENT_TYPE_LATEST
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.routing import Route

from synapse_gateway import openapi
from synapse_gateway.admin import Admin
from synapse_gateway.anthropic import models as anthropic_models
from synapse_gateway.edge import Endpoint
from synapse_gateway.errors import to_problem
from synapse_gateway.exchange import SCOPE_KEY, Exchange, Receive, Scope, Send
from synapse_gateway.forms import speaks_anthropic
from synapse_gateway.metrics import Metrics
from synapse_gateway.models import Models
from synapse_gateway.ports import Mesh
from synapse_gateway.problems import Problem
from synapse_gateway.responses.kept import not_kept
from synapse_gateway.transcoding import RestMap, method_not_allowed, no_such_path
from synapse_runtime.errors import SynapseError

PROBES = frozenset({"/health", "/healthz", "/livez", "/ready", "/readyz"})
DOCS = frozenset({"/openapi.json", "/docs", "/docs/oauth2-redirect"})
METRICS = "/metrics"
_SDK_ROOT = "/v1/v1"
"""Where Anthropic's SDK looks when its base URL ends in /v1."""
_VERBS = ["GET", "POST", "PUT", "PATCH", "DELETE"]


def application(
    *, mesh: Mesh, metrics: Metrics, models: Models, admin: Admin, rest: RestMap, direct: Mapping[str, Endpoint]
) -> FastAPI:
    """The FastAPI application behind the edge."""
    app = FastAPI(title="Synapse", version=openapi.VERSION, docs_url="/docs", redoc_url=None)
    _probe_routes(app, mesh, metrics)
    _model_routes(app, models)
    app.add_api_route("/v1/responses/{rest:path}", _nothing_kept, methods=_VERBS, include_in_schema=False)
    for path, endpoint in direct.items():
        app.router.routes.append(Route(path, _Direct(endpoint), methods=["POST"], include_in_schema=False))
    for root in rest.roots:
        app.add_api_route(root + "/{rest:path}", admin.answer, methods=_VERBS, include_in_schema=False)
    _error_forms(app, metrics)
    openapi.describe(app, rest)
    return app


def _probe_routes(app: FastAPI, mesh: Mesh, metrics: Metrics) -> None:
    async def health() -> Response:
        """Whether the process lives; asks nothing else."""
        return _json({"status": "ok"})

    async def ready() -> Response:
        """Whether requests can be served: the cache service answers that it serves."""
        is_ready = await mesh.ready()
        return _json({"ready": is_ready}, 200 if is_ready else 503)

    async def expose() -> Response:
        """Prometheus metrics."""
        return Response(metrics.exposition(), headers={"content-type": CONTENT_TYPE_LATEST})

    for answer, first, *others in ((health, "/health", "/healthz", "/livez"), (ready, "/ready", "/readyz")):
        app.add_api_route(first, answer, methods=["GET"], tags=["operations"])
        app.add_api_route(first, answer, methods=["HEAD"], include_in_schema=False)
        for path in others:
            app.add_api_route(path, answer, methods=["GET", "HEAD"], include_in_schema=False)
    app.add_api_route(METRICS, expose, methods=["GET"], tags=["operations"])


def _model_routes(app: FastAPI, models: Models) -> None:
    async def all_models(request: Request) -> Response:
        """The models that can be asked."""
        exchange = _exchange(request, "models")
        found = await models.all(exchange.known_account, exchange.caller)
        if _wants_anthropic(exchange):
            return _json(anthropic_models.page(found, request.query_params))
        return _json({"object": "list", "data": found})

    async def one_model(request: Request) -> Response:
        """One model; its id may contain slashes."""
        exchange = _exchange(request, "models")
        found = await models.one(request.path_params["model"], exchange.known_account, exchange.caller)
        return _json(anthropic_models.model(found) if _wants_anthropic(exchange) else found)

    for root in ("/v1", _SDK_ROOT):
        shown = root != _SDK_ROOT
        app.add_api_route(f"{root}/models", all_models, methods=["GET"], tags=["models"], include_in_schema=shown)
        one = f"{root}/models/{{model:path}}"
        app.add_api_route(one, one_model, methods=["GET"], tags=["models"], include_in_schema=shown)


def _wants_anthropic(exchange: Exchange) -> bool:
    """Whether models are told in Anthropic's form."""
    return exchange.scope["path"].startswith(_SDK_ROOT) or speaks_anthropic(exchange.headers)


async def _nothing_kept(request: Request) -> Response:
    exchange = _exchange(request, "responses")
    raise not_kept(exchange.scope["path"])


def _error_forms(app: FastAPI, metrics: Metrics) -> None:
    def reply(request: Request, problem: Problem) -> Response:
        metrics.error(problem.fault)
        exchange: Exchange = request.scope[SCOPE_KEY]
        body, content_type = exchange.form.error(problem, exchange.request_id)
        response = Response(body, problem.status, {"content-type": content_type.decode()})
        response.raw_headers.extend(problem.headers)
        return response

    async def own(request: Request, error: Exception) -> Response:
        if isinstance(error, Problem):
            return reply(request, error)
        if isinstance(error, SynapseError):
            return reply(request, to_problem(error))
        problem = Problem(500, "An internal error occurred.", kind="server_error", fault="synapse_internal")
        return reply(request, problem)

    async def routing(request: Request, error: Exception) -> Response:
        if isinstance(error, HTTPException) and error.status_code == 405:
            allowed = (error.headers or {}).get("Allow", "")
            return reply(
                request, method_not_allowed(request.method, request.scope["path"], [allowed] if allowed else [])
            )
        return reply(request, no_such_path(request.scope["path"]))

    app.add_exception_handler(Problem, own)
    app.add_exception_handler(SynapseError, own)
    app.add_exception_handler(Exception, own)
    app.add_exception_handler(HTTPException, routing)


class _Direct:
    """A direct endpoint as a route, for the requests that come by the router."""

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint

    async def __call__(self, scope: Scope, _receive: Receive, _send: Send) -> None:
        await self._endpoint(scope[SCOPE_KEY])


def _exchange(request: Request, route: str) -> Exchange:
    exchange: Exchange = request.scope[SCOPE_KEY]
    exchange.route = route
    return exchange


def _json(content: object, status: int = 200) -> Response:
    return Response(orjson.dumps(content), status, {"cache-control": "private, no-store"}, "application/json")
