"""The tables of the last published run of the benchmarks."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

PUBLISHED = Path(__file__).parents[1] / "performance"
SUITE = Path(__file__).parents[2] / "benchmarks"


def tables() -> str:
    """Everything that was measured beside others, below headings of the second level."""
    return _made("markdown", "results")


def growth() -> str:
    """What work costs as it grows."""
    return _made("growth", "growth")


def stages() -> str:
    """What each stage of a job's path costs."""
    return _made("stages", "stages")


def _made(what: str, name: str) -> str:
    if str(SUITE) not in sys.path:
        sys.path.append(str(SUITE))
    from suite import report

    results: Any = json.loads((PUBLISHED / f"{name}.json").read_text(encoding="utf-8"))
    text: str = getattr(report, what)(results)
    return text
