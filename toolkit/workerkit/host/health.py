"""How the workers are: for `/health`, which callers see, and `/readyz`, which everybody does."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from workerkit.host.pool import CENSUS, Pool
from workerkit.queue import Counts


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
        "workers": pool.census() if pool else dict.fromkeys(CENSUS, 0),
    }
    if pool is not None and pool.hiring.starts.problem:
        answer["problem"] = pool.hiring.starts.sentence
    return msgspec.json.encode(answer)


def readiness(pools: Mapping[str, Pool]) -> tuple[bool, bytes]:
    """Whether every function has a worker that is ready or needs none now, and which have none.

    It names those whose workers fail to start, and not why: anybody may ask.
    """
    waiting = [name for name, pool in pools.items() if pool.size.least and not pool.ready]
    failing = [name for name, pool in pools.items() if pool.hiring.starts.problem]
    ready = bool(pools) and not waiting
    return ready, msgspec.json.encode({"ready": ready, "waiting_for": waiting, "failing": failing})
