"""A job must not cost more than it did. What is counted does not depend on the machine or its load.

When a job has to cost more, `python tests/work_per_job.py` writes the new numbers down.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from work_per_job import KEPT, Costs, grown, measured


def test_a_job_costs_no_more_than_it_did(tmp_path: Path) -> None:
    assert grown(measured(tmp_path), json.loads(KEPT.read_text())) == []


@pytest.mark.parametrize(
    ("now", "sentences"),
    [
        ({"a.py": {"f": 2, "g": 2}}, []),
        ({"a.py": {"f": 4, "g": 1}}, ["host: a.py does 2 more for a job than it did: f 2 → 4"]),
        ({"a.py": {"f": 2, "g": 1}, "b.py": {"h": 1}}, []),
        (
            {"a.py": {"f": 2, "g": 1}, "b.py": {"h": 2}},
            ["host: b.py does 2 more for a job than it did: h 0 → 2"],
        ),
        (
            {"a.py": {"f": 2, "g": 1}, "SQL": {"INSERT": 4}},
            ["host: SQL does 1 more for a job than it did: INSERT 3 → 4"],
        ),
        (
            {"a.py": {"f": 2, "g": 1}, "SQL": {"INSERT": 3}, **{name: {"f": 1} for name in "bcde"}},
            [f"host: {name} does 1 more for a job than it did: f 0 → 1" for name in "bcde"],
        ),
        ({"a.py": {"f": 1}}, []),
    ],
    ids=[
        "one more",
        "two more",
        "a new module",
        "a new module of two",
        "a statement",
        "little in all",
        "less",
    ],
)
def test_what_does_more_is_named(now: dict[str, dict[str, int]], sentences: list[str]) -> None:
    before: Costs = {"host": {"a.py": {"f": 2, "g": 1}, "SQL": {"INSERT": 3}}}

    assert grown({"host": now}, before) == sentences
