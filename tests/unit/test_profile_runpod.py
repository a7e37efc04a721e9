"""The profile `runpod`: a queue with its settings forgets results when the platform would."""

from __future__ import annotations

import asyncio
from pathlib import Path

from workerkit.queue.sqlite import SQLiteStore
from workerkit.settings import Settings, load_settings
from workerkit.testing.queue_contracts import ManualClock, end, submission

MINUTE = 60_000


def profile(folder: Path) -> Settings:
    return load_settings(flags={"profile": "runpod"}, environ={}, cwd=folder)


def test_it_keeps_results_for_30_minutes_after_run_and_for_1_after_runsync(tmp_path: Path) -> None:
    queue = profile(tmp_path).queue
    assert queue.keep_sync is not None
    clock = ManualClock()
    store = SQLiteStore(
        tmp_path / "q.db",
        lease_ms=int(queue.lease * 1000),
        keep_ms=int(queue.keep * 1000),
        keep_sync_ms=int(queue.keep_sync * 1000),
        queue_length=9,
        holder="host",
        clock=clock,
    )

    async def left() -> list[str]:
        await store.sweep(9)
        return [line.id for line in await store.jobs(endpoint=None, status=None, after=None, limit=9)]

    async def scenario() -> None:
        await store.open()
        await store.submit([submission(id="async"), submission(id="sync-1")])
        for claim in await store.claim("render", 2, "host", 0):
            assert await store.finish([end(claim)]) == [True]

        clock.advance(1 * MINUTE - 1)
        assert await left() == ["sync-1", "async"]
        clock.advance(1)
        assert await left() == ["async"]
        clock.advance(29 * MINUTE - 1)
        assert await left() == ["async"]
        clock.advance(1)
        assert await left() == []
        await store.close()

    asyncio.run(scenario())


def test_its_time_limits_are_the_platforms(tmp_path: Path) -> None:
    policy = profile(tmp_path).policy

    assert (policy.execution_timeout, policy.ttl) == (600, 24 * 3600)
