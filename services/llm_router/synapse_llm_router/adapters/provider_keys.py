"""The keys of the backends: written in the settings, in files of their own, or in environment variables."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from pydantic import SecretStr

from synapse_llm_router.settings import BackendSettings, RouterSettings
from synapse_runtime.settings import SettingsError

_MAX_BYTES = 64 * 1024


def with_keys(settings: RouterSettings, variable: Callable[[str], str]) -> RouterSettings:
    """The settings with every backend's key in its `api_key`; `variable` tells environment variables.

    Raises SettingsError that names the backend and the file or variable, never a key.
    """
    backends = tuple(_with_key(backend, variable) for backend in settings.backends)
    return settings.model_copy(update={"backends": backends})


def key_files(settings: RouterSettings) -> list[Path]:
    """The files that hold keys."""
    return [Path(backend.api_key_file) for backend in settings.backends if backend.api_key_file]


def _with_key(backend: BackendSettings, variable: Callable[[str], str]) -> BackendSettings:
    if backend.api_key_file:
        where = f"file {backend.api_key_file}"
        key = _content(backend)
    elif backend.api_key_env:
        where = f"variable {backend.api_key_env}"
        key = variable(backend.api_key_env).strip()
    else:
        where, key = "api_key", backend.api_key.get_secret_value()
        if not key:
            return backend
    if not key:
        raise _wrong(backend, f"the {where} is empty or not set")
    if not key.isascii() or not key.isprintable():
        raise _wrong(backend, f"the {where} holds what cannot be sent as a key")
    return backend.model_copy(update={"api_key": SecretStr(key)})


def _content(backend: BackendSettings) -> str:
    path = Path(backend.api_key_file)
    try:
        with path.open("rb") as file:
            content = file.read(_MAX_BYTES)
    except OSError as error:
        raise _wrong(backend, f"cannot read the file {path}: {error.strerror}") from error
    return content.decode("utf-8", "replace").strip()


def _wrong(backend: BackendSettings, what: str) -> SettingsError:
    return SettingsError(f"wrong settings: router.backends: the key of {backend.name!r}: {what}")
