"""The backends as `synapse check` finds them: whether they have a key, whether they answer, what they serve."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from typing import Any

from synapse_llm_router.adapters.build import upstream_of
from synapse_llm_router.adapters.provider_keys import with_keys
from synapse_llm_router.ports import ListedModel, ListingFailed
from synapse_llm_router.settings import BackendSettings, RouterSettings
from synapse_runtime.settings import Config, SettingsError
from synapse_standalone.findings import Finding, Level
from synapse_standalone.llama import MODEL_NAME

_SECONDS = 5.0
_REFUSED = ("status 401", "status 403")


def findings(router: Mapping[str, Any], environ: Mapping[str, str]) -> Iterator[Finding]:
    """A finding for each backend of the section `router` but the small model, which only `synapse up` starts."""
    try:
        settings = Config({"router": router}, origin="settings").section("router", RouterSettings)
        keyed = with_keys(settings, lambda name: environ.get(name, ""))
    except SettingsError as error:
        yield Finding(Level.FAIL, "backends", str(error))
        return
    asked = [(written, backend) for written, backend in zip(settings.backends, keyed.backends, strict=True)]
    others = [(written, backend) for written, backend in asked if written.models != (MODEL_NAME,)]
    answers = asyncio.run(_all_listed([backend for _, backend in others]))
    for (written, backend), answer in zip(others, answers, strict=True):
        yield _finding(written, backend, answer)


async def _all_listed(backends: list[BackendSettings]) -> list[list[ListedModel] | str]:
    return await asyncio.gather(*(_listed(backend) for backend in backends))


async def _listed(backend: BackendSettings) -> list[ListedModel] | str:
    """The models that a backend lists, or why it does not."""
    upstream = upstream_of(backend)
    try:
        async with asyncio.timeout(_SECONDS):
            return list(await upstream.list_models())
    except TimeoutError:
        return f"it did not answer within {_SECONDS:g} s"
    except ListingFailed as error:
        return f"{error}" if error.__cause__ is None else f"{error}: {error.__cause__}"
    finally:
        await upstream.close()


def _finding(written: BackendSettings, backend: BackendSettings, answer: list[ListedModel] | str) -> Finding:
    what = f"backend {backend.name}"
    facts = f"{backend.endpoint} ({backend.wire} wire, {_key(written)})"
    if isinstance(answer, list):
        example = f", such as {answer[0].id}" if answer else ""
        return Finding(Level.OK, what, f"{facts} lists {len(answer)} models{example}")
    if any(mark in answer for mark in _REFUSED):
        return Finding(Level.FAIL, what, f"{facts}: {answer}", "Is its key right?")
    if "status" in answer:
        remedy = f"Is its endpoint one of the {backend.wire} wire? It may answer questions all the same."
        return Finding(Level.WARN, what, f"{facts}: {answer}", remedy)
    return Finding(Level.FAIL, what, f"{facts}: {answer}", "Is it running, and its endpoint right?")


def _key(written: BackendSettings) -> str:
    """Where a backend's key comes from; never the key."""
    if written.api_key_file:
        return f"key from the file {written.api_key_file}"
    if written.api_key_env:
        return f"key from the variable {written.api_key_env}"
    return "with a key" if written.api_key.get_secret_value() else "no key"
