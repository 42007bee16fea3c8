"""The yardstick's sets, the rates of false hits at which they are judged, and its own loaders."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from typing import Any

SETS = ("minimal", "fow_pairs", "text2sql", "paws_qqp", "checklist_qqp", "qqp")
RATES = {"minimal": 0.01, "fow_pairs": 0.01, "text2sql": 0.01, "paws_qqp": 0.05, "checklist_qqp": 0.05, "qqp": 0.05}
GOALS = {"minimal": 0.80, "fow_pairs": 0.75, "text2sql": 0.80, "paws_qqp": 0.55, "checklist_qqp": 0.60, "qqp": 0.50}


def yard(quality: Path) -> Any:
    """The yardstick's module of loaders and figures."""
    sys.path.insert(0, str(quality))
    return importlib.import_module("yard")
