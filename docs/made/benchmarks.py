"""The tables of the last published run of the benchmarks."""

from __future__ import annotations

import json
import sys
from pathlib import Path

RESULTS = Path(__file__).parents[1] / "performance" / "results.json"
SUITE = Path(__file__).parents[2] / "benchmarks"


def tables() -> str:
    """Everything that was measured, below headings of the second level."""
    if str(SUITE) not in sys.path:
        sys.path.append(str(SUITE))
    from suite.report import markdown

    return markdown(json.loads(RESULTS.read_text(encoding="utf-8")))
