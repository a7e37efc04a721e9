"""What a job costs in calls, statements and system calls; `work_per_job.json` holds what it may.

python tests/work_per_job.py        measure, and write down what was found
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
KEPT = HERE / "work_per_job.json"
JOBS, FIRST = 60, 10  # the first ones meet a server that is still getting ready
#: How much more a module may do, and a side in all; of SQL no statement more.
MODULE, SIDE = 1, 3

#: By side, by module: how often each of its functions is called for a job.
Costs = Mapping[str, Mapping[str, Mapping[str, int]]]


def measured(folder: Path) -> Costs:
    """What a job costs now, on a server in `folder`."""
    done = subprocess.run(
        [sys.executable, str(HERE / "counted_server.py"), str(folder), str(JOBS)],
        env={**os.environ, "PYTHONPATH": str(HERE)},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    found = json.loads((folder / "counted.json").read_text())
    return {side: usual(jobs[FIRST:JOBS]) for side, jobs in found.items()}


def usual(jobs: Sequence[Any]) -> Mapping[str, Mapping[str, int]]:
    """What most jobs cost: a clock's tick, or what is left of the job before, falls into some of them only."""
    counts = [{tuple(what): count for what, count in job} for job in jobs]
    found: dict[str, dict[str, int]] = {}
    for module, name in sorted(set().union(*counts)):
        if count := statistics.median_low(job.get((module, name), 0) for job in counts):
            found.setdefault(module, {})[name] = count
    return found


def grown(now: Costs, before: Costs) -> list[str]:
    """A sentence for each module that does more for a job than it may."""
    return [sentence for side in now for sentence in _grown(side, now[side], before[side])]


def _grown(
    side: str, now: Mapping[str, Mapping[str, int]], before: Mapping[str, Mapping[str, int]]
) -> Iterator[str]:
    more = {module: total(now[module]) - total(before.get(module, {})) for module in now}
    everything = sum(map(total, now.values())) - sum(map(total, before.values()))
    for module, count in sorted(more.items(), key=lambda pair: -pair[1]):
        if count > (0 if module == "SQL" or everything > SIDE else MODULE):
            names = ", ".join(_names(now[module], before.get(module, {})))
            yield f"{side}: {module} does {count} more for a job than it did: {names}"


def total(functions: Mapping[str, int]) -> int:
    """Of a module."""
    return sum(functions.values())


def _names(now: Mapping[str, int], before: Mapping[str, int]) -> Iterator[str]:
    for name, count in now.items():
        if count > before.get(name, 0):
            yield f"{name} {before.get(name, 0)} → {count}"


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as name:
        KEPT.write_text(json.dumps(measured(Path(name)), indent=1) + "\n")
