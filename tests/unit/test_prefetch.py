"""Very short jobs are sent to a worker before it is their turn: which, where to, and when they begin."""

from __future__ import annotations

import time
from math import isfinite
from pathlib import Path
from typing import Any

import pytest

from prefetching import Stage, play
from runs_scene import PATIENCE as PATIENT
from workerkit.host.prefetch import MOST_BYTES, MOST_JOBS
from workerkit.queue import Blame
from workerkit.testing.queue_contracts import submission
from workerkit.wire import Descriptor, Recall, RunJob


def test_each_begins_when_it_is_its_turn_and_in_the_order_of_the_queue(tmp_path: Path) -> None:
    async def scenario(stage: Stage) -> None:
        hand, ids = await stage.filled(5)
        assert hand.jobs == ids
        assert stage.runs.held == [(id, 1) for id in ids], "the lease of one that waits would end"
        for done, id in enumerate(ids, 1):
            assert stage.meter.counted == ["began"] * done
            runs = [*hand.worker.busy.values(), *hand.worker.before]
            assert [isfinite(run.until) for run in runs] == [True] + [False] * (5 - done)
            stage.ended(hand, id)

        await stage.boss.wait(5)
        assert [await stage.status(id) for id in ids] == ["COMPLETED"] * 5
        assert hand.worker.begun == 5 + 1

    play(tmp_path, scenario)


def test_a_worker_gets_no_more_than_so_many_and_the_one_with_the_fewest_is_next(tmp_path: Path) -> None:
    async def scenario(stage: Stage) -> None:
        hands = [stage.hand(), stage.hand()]
        await stage.submitted(MOST_JOBS + 20)
        stage.are_quick()
        for hand in hands:  # which get all at one go, whatever time that takes
            stage.free(hand)
        for hand in hands:
            await hand.wire.wait(RunJob, MOST_JOBS // 2 + 1)

        assert [len(hand.worker.before) for hand in hands] == [MOST_JOBS // 2] * 2

    play(tmp_path, scenario)


def test_of_jobs_that_are_not_known_to_be_very_short_a_worker_has_one(tmp_path: Path) -> None:
    async def scenario(stage: Stage) -> None:
        hand = stage.hand()
        ids = await stage.submitted(3)
        for _ in range(60):
            stage.runs.supply.took(0.005, 0.000_1)
        stage.free(hand)
        await hand.wire.wait(RunJob)

        assert hand.here == (ids[:1], [])

    play(tmp_path, scenario)


@pytest.mark.parametrize(
    "special",
    [{"sealed": {"s3Config": b"sealed"}}, {"input": bytes(MOST_BYTES + 1)}, {"fields": bytes(MOST_BYTES)}],
    ids=["secrets", "large input", "large fields"],
)
def test_what_has_secrets_or_is_large_waits_in_the_host_and_is_overtaken_by_none(
    tmp_path: Path, special: dict[str, Any]
) -> None:
    async def scenario(stage: Stage) -> None:
        stage.are_quick()
        jobs = [submission(), submission(), submission(**special), submission()]
        await stage.store.submit(jobs)
        hand = stage.hand()
        stage.free(hand)
        await hand.wire.wait(RunJob, 2)

        assert hand.here == ([jobs[0].id], [jobs[1].id])
        with stage.store.watch(jobs[3].id) as watch:
            assert await watch.changed(PATIENT), "nobody has it: it goes back"

    play(tmp_path, scenario)


@pytest.mark.parametrize(
    "function",
    [Descriptor("render", "function", concurrency=2), Descriptor("render", "function", elastic=True)],
    ids=["two slots", "elastic"],
)
def test_a_worker_with_several_slots_or_that_may_have_them_gets_none_ahead(
    tmp_path: Path, function: Descriptor
) -> None:
    async def scenario(stage: Stage) -> None:
        stage.are_quick()
        hand = stage.hand(function)
        ids = await stage.submitted(5)
        stage.free(hand)
        await hand.wire.wait(RunJob, function.concurrency)

        assert hand.here == (ids[: function.concurrency], [])

    play(tmp_path, scenario, function)


def test_behind_a_job_that_crashed_a_worker_before_none_waits(tmp_path: Path) -> None:
    async def scenario(stage: Stage) -> None:
        [crashed] = await stage.submitted(1)
        [claim] = await stage.store.claim("render", 1, "host", 0)
        assert await stage.store.release(crashed, claim.record.attempt, Blame.CRASH)
        stage.are_quick()
        await stage.submitted(3)
        fresh, other = stage.hand(fresh=True), stage.hand()
        stage.free(fresh)
        await fresh.wire.wait(RunJob)
        stage.free(other)
        await other.wire.wait(RunJob, 3)

        assert fresh.here == ([crashed], [])

    play(tmp_path, scenario)


def test_what_waits_behind_a_slow_job_is_recalled_and_runs_elsewhere_in_its_order(tmp_path: Path) -> None:
    async def scenario(stage: Stage) -> None:
        slow, ids = await stage.filled(6)
        begin = time.monotonic()
        await slow.wire.wait(Recall)
        assert time.monotonic() - begin < 1
        stage.untouched(slow, *ids[1:4])
        stage.untouched(slow, *ids[4:])
        other = stage.hand()
        stage.free(other)

        assert slow.here == (ids[:1], [])
        assert other.here == (ids[1:2], []), "one of them took long, so it is not known what the others do"
        stage.are_quick()
        stage.ended(other, ids[1])
        assert other.jobs == ids[1:]
        assert slow.jobs == ids, "nothing more is sent to the one that takes long"
        assert stage.meter.counted == ["began"] * 3
        for id in ids[2:]:
            stage.ended(other, id)
        stage.ended(slow, ids[0])
        await stage.boss.wait(8)
        assert [await stage.status(id) for id in ids] == ["COMPLETED"] * 6
        assert slow.recalls == 1
        assert other.recalls == 0

    play(tmp_path, scenario)


def test_a_slot_is_free_once_when_what_it_had_comes_back_as_the_job_before_ends(tmp_path: Path) -> None:
    """The recall has crossed the end, after which the host takes the next for begun."""

    async def scenario(stage: Stage) -> None:
        hand, ids = await stage.filled(3)
        await hand.wire.wait(Recall)
        stage.ended(hand, ids[0])
        assert hand.here == (ids[1:2], ids[2:])
        stage.untouched(hand, *ids[1:])
        assert hand.here == (ids[1:2], [])
        stage.are_quick()
        stage.ended(hand, ids[1])

        assert hand.jobs == [*ids, *ids[1:]]
        assert hand.here == (ids[2:], [])
        stage.ended(hand, ids[2])
        await stage.boss.wait(4)
        assert [await stage.status(id) for id in ids] == ["COMPLETED"] * 3

    play(tmp_path, scenario)


def test_to_a_worker_that_is_leaving_nothing_is_sent(tmp_path: Path) -> None:
    async def scenario(stage: Stage) -> None:
        stage.are_quick()
        leaving, other = stage.hand(), stage.hand()
        [first] = await stage.submitted(1)
        stage.free(leaving)
        await leaving.wire.wait(RunJob)
        leaving.worker.leaving = True
        await stage.submitted(4)
        stage.free(other)
        await other.wire.wait(RunJob, 4)

        assert leaving.jobs == [first]

    play(tmp_path, scenario)
