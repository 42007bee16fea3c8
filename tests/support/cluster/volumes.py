"""The volumes of a pod as folders of this machine, and where its containers see them."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.support.cluster import linux
from tests.support.cluster.environment import ConfigError, Facts
from tests.support.cluster.launch import Mount
from tests.support.cluster.manifests import Object, Store

_MODE = 0o644
_CURRENT = "..data"


@dataclass(frozen=True)
class Volumes:
    """The volumes of one pod: its own folder, that of all claims, and the group that may write."""

    folder: Path
    claims: Path
    group: int | None

    def prepare(self, spec: Object, facts: Facts, store: Store) -> None:
        """Make or renew every volume of the pod; raises ConfigError for what is referred to and does not exist."""
        for volume in spec.get("volumes") or ():
            place = self._place(volume, facts)
            place.mkdir(parents=True, exist_ok=True)
            if _is_written_by_pod(volume):
                self._give(place, 0o777 if self.group is None else 0o2775)
                continue
            files = dict(_files(volume, facts, store))
            _publish(place, files, self.group if linux.may_change_user() else None)

    def mounts(self, container: Object, spec: Object, facts: Facts) -> list[Mount]:
        """What the container sees where."""
        volumes = {volume["name"]: volume for volume in spec.get("volumes") or ()}
        return [self._mount(mount, volumes, facts) for mount in container.get("volumeMounts") or ()]

    def remove(self) -> None:
        """Forget all but the claims."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def _mount(self, mount: Object, volumes: dict[str, Object], facts: Facts) -> Mount:
        if mount["name"] not in volumes:
            raise ConfigError(f"volumeMounts: no volume {mount['name']!r} in the pod")
        volume = volumes[mount["name"]]
        source = self._place(volume, facts)
        if "subPath" in mount:
            source /= mount["subPath"]
            if _is_written_by_pod(volume) and not source.exists():
                source.mkdir(parents=True)
                self._give(source, 0o2775)
        read_only = bool(mount.get("readOnly")) or not _is_written_by_pod(volume)
        return Mount(str(source.resolve() if "subPath" in mount else source), mount["mountPath"], read_only)

    def _place(self, volume: Object, facts: Facts) -> Path:
        if "persistentVolumeClaim" in volume:
            return self.claims / facts.namespace / volume["persistentVolumeClaim"]["claimName"]
        return self.folder / "volumes" / volume["name"]

    def _give(self, place: Path, mode: int) -> None:
        if linux.may_change_user() and self.group is not None:
            os.chown(place, -1, self.group)
        place.chmod(mode)


def _is_written_by_pod(volume: Object) -> bool:
    return "emptyDir" in volume or "persistentVolumeClaim" in volume


def _files(volume: Object, facts: Facts, store: Store) -> Iterator[tuple[str, tuple[bytes, int]]]:
    """Every file of a volume that is made of objects: its path, content and mode."""
    match volume:
        case {"configMap": source}:
            yield from _of_object("ConfigMap", source["name"], source, facts, store)
        case {"secret": source}:
            yield from _of_object("Secret", source["secretName"], source, facts, store)
        case {"downwardAPI": source}:
            yield from _of_facts(source, facts)
        case {"projected": projected}:
            for source in projected["sources"]:
                yield from _projected(source, projected, facts, store)
        case _:
            raise ConfigError(f"unknown volume: {volume}")


def _projected(
    source: Object, projected: Object, facts: Facts, store: Store
) -> Iterator[tuple[str, tuple[bytes, int]]]:
    defaults = {"defaultMode": projected.get("defaultMode", _MODE)}
    match source:
        case {"configMap": inner}:
            yield from _of_object("ConfigMap", inner["name"], defaults | inner, facts, store)
        case {"secret": inner}:
            yield from _of_object("Secret", inner["name"], defaults | inner, facts, store)
        case {"downwardAPI": inner}:
            yield from _of_facts(defaults | inner, facts)
        case _:
            raise ConfigError(f"unknown source of a projected volume: {source}")


def _of_object(
    kind: str, name: str, source: Object, facts: Facts, store: Store
) -> Iterator[tuple[str, tuple[bytes, int]]]:
    contents = store.contents(kind, facts.namespace, name)
    if contents is None:
        if source.get("optional"):
            return
        raise ConfigError(f'MountVolume.SetUp failed: {kind.lower()} "{name}" not found')
    mode = source.get("defaultMode", _MODE)
    for item in source.get("items") or [{"key": key, "path": key} for key in contents]:
        if item["key"] in contents:
            yield item["path"], (contents[item["key"]], item.get("mode", mode))
        elif not source.get("optional"):
            raise ConfigError(f"MountVolume.SetUp failed: references non-existent {kind.lower()} key: {item['key']}")


def _of_facts(source: Object, facts: Facts) -> Iterator[tuple[str, tuple[bytes, int]]]:
    mode = source.get("defaultMode", _MODE)
    for item in source["items"]:
        yield item["path"], (facts.read(item["fieldRef"]["fieldPath"]).encode(), item.get("mode", mode))


def _publish(place: Path, files: dict[str, tuple[bytes, int]], group: int | None) -> None:
    """Let the folder show these files, all at once, through a link that is replaced, as a kubelet does."""
    current = place / _CURRENT
    if current.exists() and _shown(current) == files:
        return
    version = place / f"..version-{len(list(place.glob('..version-*')))}"
    for name, (content, mode) in files.items():
        file = version / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
        if group is not None:
            os.chown(file, -1, group)
        file.chmod(mode if group is None else mode | 0o440)
    version.mkdir(exist_ok=True)
    fresh = place / "..fresh"
    fresh.symlink_to(version.name)
    fresh.replace(current)
    for top in {name.split("/")[0] for name in files}:
        if not (place / top).is_symlink():
            (place / top).symlink_to(f"{_CURRENT}/{top}")


def _shown(current: Path) -> dict[str, tuple[bytes, int]]:
    version = current.resolve()
    return {
        str(file.relative_to(version)): (file.read_bytes(), file.stat().st_mode & 0o777)
        for file in version.rglob("*")
        if file.is_file()
    }
