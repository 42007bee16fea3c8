"""Tests on real servers that are too big for every run: they are collected where a path in this folder is asked for.

`make vllm` and `make triton` fetch what they need into .venvs and run them. A part that is missing fails them by name.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.e2e.conftest import namespace, pytest_runtest_makereport

__all__ = ["namespace", "pytest_runtest_makereport"]
FOLDER = Path(__file__).parent


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Leave out all of this folder unless the command line names it or something in it."""
    asked = ((config.invocation_params.dir / argument.partition("::")[0]).resolve() for argument in config.args)
    return None if any(path.is_relative_to(FOLDER) for path in asked) else True
