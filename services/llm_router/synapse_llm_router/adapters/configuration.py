"""The router's configuration as it is outside: settings, keys and prices, read together and found good or refused."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from synapse_llm_router.adapters.prices_file import read_prices
from synapse_llm_router.adapters.provider_keys import key_files, with_keys
from synapse_llm_router.prices import PriceTable
from synapse_llm_router.settings import BackendSettings, RouterSettings
from synapse_runtime.settings import Config

_AT_START = ("listen", "probes")
Digests = Mapping[Path, bytes]


@dataclass(frozen=True)
class Loaded:
    """A configuration that was found good: `settings` as written, `with_keys` the same with every key at its place."""

    config: Config
    settings: RouterSettings
    with_keys: RouterSettings
    prices: PriceTable


@dataclass(frozen=True)
class Difference:
    """What a new configuration brings: names of backends, and of settings that take effect at the next start."""

    changed: bool
    added_backends: tuple[str, ...] = ()
    removed_backends: tuple[str, ...] = ()
    changed_backends: tuple[str, ...] = ()
    needs_restart: tuple[str, ...] = ()


def loaded(config: Config) -> Loaded:
    """The configuration with keys and prices; raises SettingsError that names what is wrong. Reads files."""
    settings = config.section("router", RouterSettings)
    return Loaded(config, settings, with_keys(settings, config.variable), read_prices(settings.prices_path))


def files_of(config: Config, settings: RouterSettings) -> set[Path]:
    """Every file that the configuration is made of."""
    prices = [Path(settings.prices_path)] if settings.prices_path else []
    return {*config.files, *key_files(settings), *prices}


def digests(files: Iterable[Path]) -> Digests:
    """What tells the contents of files apart, links followed; b"" for those that cannot be read. Reads files."""
    return {path: _digest(path) for path in files}


def difference(start: Config, old: Loaded, new: Loaded) -> Difference:
    """What `new` changes of `old`; `start` is the configuration that the process began with."""
    before, after = _by_name(old), _by_name(new)
    return Difference(
        changed=old.with_keys != new.with_keys or not _same(old.prices, new.prices),
        added_backends=tuple(name for name in after if name not in before),
        removed_backends=tuple(name for name in before if name not in after),
        changed_backends=tuple(name for name in after if name in before and after[name] != before[name]),
        needs_restart=tuple(_needing_restart(start, new)),
    )


def _by_name(one: Loaded) -> dict[str, BackendSettings]:
    return {backend.name: backend for backend in one.with_keys.backends}


def _same(old: PriceTable, new: PriceTable) -> bool:
    return (old.entries, old.default, old.as_of) == (new.entries, new.default, new.as_of)


def _needing_restart(start: Config, new: Loaded) -> list[str]:
    began = start.section("router", RouterSettings)
    names = [f"router.{name}" for name in _AT_START if getattr(began, name) != getattr(new.settings, name)]
    for section in sorted({*start.sections, *new.config.sections} - {"router"}):
        old, now = start.sections.get(section, {}), new.config.sections.get(section, {})
        names += [f"{section}.{key}" for key in sorted({*old, *now}) if old.get(key) != now.get(key)]
    return names


def _digest(path: Path) -> bytes:
    try:
        return hashlib.sha256(path.read_bytes()).digest()
    except OSError:
        return b""
