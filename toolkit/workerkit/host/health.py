"""How the workers are: for `/health`, which callers see, and `/readyz`, which everybody does."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from workerkit.host.pool import Pool
from workerkit.queue import Counts

#: RunPod's worker counters. We throttle nobody.
CENSUS = ("idle", "initializing", "ready", "running", "throttled", "unhealthy")


def census(pool: Pool) -> dict[str, int]:
    """RunPod's six worker counters; a worker that is leaving is not among them."""
    staff, pausing = pool.staff, pool.hiring.pausing
    ready = staff.ready
    running = sum(bool(worker.busy) for worker in staff.staying if worker.ready)
    # One that takes nothing more and waits for its turn to be replaced is as good as replaced.
    coming = len(staff.staying) + pool.hiring.count - pausing - ready
    return dict(zip(CENSUS, (ready - running, coming, ready, running, 0, pausing), strict=True))


def health(counts: Counts, pool: Pool | None) -> bytes:
    """RunPod's six worker and five job counters; beside them, why workers do not start."""
    answer: dict[str, object] = {
        "jobs": {
            "completed": counts.completed,
            "failed": counts.failed + counts.timed_out,
            "inProgress": counts.in_progress,
            "inQueue": counts.in_queue,
            "retried": counts.retried,
        },
        "workers": census(pool) if pool else dict.fromkeys(CENSUS, 0),
    }
    if pool is not None and pool.hiring.starts.problem:
        answer["problem"] = pool.hiring.starts.sentence
    return msgspec.json.encode(answer)


def readiness(pools: Mapping[str, Pool]) -> tuple[bool, bytes]:
    """Whether every function has a worker that is ready or needs none now, and which have none.

    One that has none because its last is being refreshed is as ready as ever. It names those whose workers fail to start, and not why: anybody may ask.
    """
    waiting = [name for name, pool in pools.items() if pool.size.least and _is_down(pool)]
    failing = [name for name, pool in pools.items() if pool.hiring.starts.problem]
    ready = bool(pools) and not waiting
    return ready, msgspec.json.encode({"ready": ready, "waiting_for": waiting, "failing": failing})


def _is_down(pool: Pool) -> bool:
    return not pool.staff.ready and (not pool.up or bool(pool.hiring.starts.problem))
