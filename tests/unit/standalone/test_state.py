"""The state folder: secrets made once and kept private, one user at a time, clear words when it cannot be used."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path

import pytest

from synapse_standalone.errors import EXIT_BUSY, EXIT_CANNOT_CREATE, CommandError
from synapse_standalone.state import StateFolder, kept_mesh_secret, read_endpoint


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_secret_is_made_once_and_only_its_owner_reads_it(tmp_path: Path) -> None:
    with StateFolder(tmp_path / "s").open():
        first = StateFolder(tmp_path / "s").secret("key", prefix="sk-")
    assert first.startswith("sk-")
    assert StateFolder(tmp_path / "s").secret("key", prefix="sk-") == first
    assert (mode(tmp_path / "s"), mode(tmp_path / "s" / "key")) == (0o700, 0o600)


def test_a_second_user_is_told_who_has_it(tmp_path: Path) -> None:
    with (
        StateFolder(tmp_path).open(),
        pytest.raises(CommandError, match=f"process {os.getpid()}") as raised,
        StateFolder(tmp_path).open(),
    ):
        pass
    assert raised.value.status == EXIT_BUSY


def test_it_can_be_opened_again_after_the_first_user_left(tmp_path: Path) -> None:
    for _ in range(2):
        with StateFolder(tmp_path).open():
            assert (tmp_path / "logs").is_dir()


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with (
        pytest.raises(CommandError, match=r"cannot write to .*file/state") as raised,
        StateFolder(tmp_path / "file" / "state").open(),
    ):
        pass
    assert raised.value.status == EXIT_CANNOT_CREATE


def test_a_full_disk_is_told_before_anything_starts(tmp_path: Path) -> None:
    folder = StateFolder(tmp_path, min_free_bytes=1 << 60)
    with pytest.raises(CommandError, match=r"is full: \d+ MiB are free") as raised, folder.open():
        pass
    assert raised.value.status == EXIT_CANNOT_CREATE


def test_the_endpoint_is_published_privately_and_taken_back(tmp_path: Path) -> None:
    folder = StateFolder(tmp_path)
    with folder.open():
        folder.write_endpoint({"url": "http://x", "pid": os.getpid()})
        assert mode(folder.endpoint_file) == 0o600
        assert read_endpoint(tmp_path)["url"] == "http://x"
        folder.remove_endpoint()
    with pytest.raises(CommandError, match="no mesh is running"):
        read_endpoint(tmp_path)


def test_the_endpoint_of_a_killed_mesh_counts_for_nothing(tmp_path: Path) -> None:
    dead = 2**22 + 1  # above the largest pid
    (tmp_path / "endpoint.json").write_text(json.dumps({"url": "http://x", "pid": dead}))
    with pytest.raises(CommandError, match="no mesh is running"):
        read_endpoint(tmp_path)
    with StateFolder(tmp_path).open():
        assert not (tmp_path / "endpoint.json").exists()


def test_a_write_leaves_the_old_file_or_the_new_one(tmp_path: Path) -> None:
    folder = StateFolder(tmp_path)
    folder.write(tmp_path / "x", "old")
    folder.write(tmp_path / "x", "new")
    assert [path.read_text() for path in tmp_path.iterdir()] == ["new"]


def test_the_mesh_secret_is_the_one_that_the_services_use(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="holds no mesh secret"):
        kept_mesh_secret(tmp_path)
    (tmp_path / "config.json").write_text('{"mesh": {"secret": "s3"}}')
    assert kept_mesh_secret(tmp_path) == "s3"
