"""What was sent to a worker ahead and does not begin there: what becomes of it, and who is to blame."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from prefetching import Hand, Stage, play
from runs_scene import PATIENCE
from workerkit.host.ends import cancelled, timed_out
from workerkit.queue import Blame
from workerkit.states import Status
from workerkit.wire import Recall, RunJob, Untouched


async def end_outside(stage: Stage, id: str, status: Status = Status.CANCELLED) -> None:
    """End a job as a client or the ttl does."""
    record = await stage.store.record(id)
    assert record is not None
    now = stage.store.now()
    result = cancelled(record, now) if status is Status.CANCELLED else timed_out(record, now, expired=True)
    assert await stage.ends.end(record, result)
    stage.runs.stop(id, 1, "it was ended")


def freed(stage: Stage) -> Hand:
    """Another worker, which is free."""
    hand = stage.hand()
    stage.free(hand)
    return hand


async def closed(stage: Stage) -> None:
    """No more jobs are taken."""
    stage.supplying.cancel()
    await asyncio.wait({stage.supplying})


def test_of_a_worker_that_dies_only_the_job_whose_turn_it_was_is_to_blame(tmp_path: Path) -> None:
    async def scenario(stage: Stage) -> None:
        hand, ids = await stage.filled(4)
        stage.ended(hand, ids[0])
        other = freed(stage)
        stage.runs.lost(hand.worker)

        await stage.meter.wait("returned: crash")
        assert hand.here == ([], [])
        assert other.jobs == ids[2:]
        records = [await stage.store.record(id) for id in ids[1:]]
        assert [(record.crashes, record.restarts) for record in records if record] == [(1, 1), (0, 0), (0, 0)]
        assert stage.meter.counted.count("returned: crash") == 1

    play(tmp_path, scenario)


@pytest.mark.parametrize("more", [{"refresh": "flag"}, {"interrupted": True}], ids=["refresh", "interrupted"])
def test_after_a_job_that_ends_its_worker_the_host_takes_none_for_begun(
    tmp_path: Path, more: dict[str, object]
) -> None:
    async def scenario(stage: Stage) -> None:
        hand, ids = await stage.filled(3)
        stage.ended(hand, ids[0], **more)
        assert hand.here == ([], ids[1:])
        assert stage.runs.held[:2] == [(id, 1) for id in ids[1:]]
        other = freed(stage)
        stage.untouched(hand, *ids[1:])

        assert hand.here == ([], [])
        assert other.jobs == ids[1:]
        assert stage.meter.counted == ["began"] * 2
        assert stage.boss.told[1][0] == "settled", "or the worker would stay for ever"

    play(tmp_path, scenario)


def test_one_that_leaves_and_dies_before_it_says_what_has_not_begun_blames_nobody(tmp_path: Path) -> None:
    async def scenario(stage: Stage) -> None:
        hand, ids = await stage.filled(3)
        stage.ended(hand, ids[0], refresh="flag")
        other = freed(stage)
        stage.runs.lost(hand.worker)

        assert other.jobs == ids[1:]
        assert not [what for what in stage.meter.counted if what.startswith("returned")]

    play(tmp_path, scenario)


def test_after_a_worker_has_asked_for_its_last_refresh_none_is_taken_for_begun(tmp_path: Path) -> None:
    """Its `Refresh` and the end of what it runs come before it is recalled."""

    async def scenario(stage: Stage) -> None:
        hand, ids = await stage.filled(3)
        hand.worker.retiring, hand.worker.opened = True, 0
        stage.runs.supply.withdraw(hand.worker)
        assert hand.recalls == 1
        stage.ended(hand, ids[0])
        assert hand.here == ([], ids[1:])
        stage.untouched(hand, *ids[1:])

        assert stage.meter.counted == ["began"]
        assert freed(stage).jobs == ids[1:]
        assert hand.jobs == ids

    play(tmp_path, scenario)


@pytest.mark.parametrize("status", [Status.CANCELLED, Status.TIMED_OUT])
def test_a_job_that_ends_while_it_waits_behind_another_is_not_begun_and_its_worker_stays(
    tmp_path: Path, status: Status
) -> None:
    async def scenario(stage: Stage) -> None:
        hand, ids = await stage.filled(3)
        await end_outside(stage, ids[1], status)
        assert hand.stops == ids[1:2]
        assert (ids[1], 1) not in stage.runs.held
        stage.ended(hand, ids[0])
        assert hand.here == (ids[1:2], ids[2:]), "the worker says that it is over"
        stage.ended(hand, ids[1], Status.CANCELLED)
        stage.ended(hand, ids[2])

        await stage.boss.wait(3)
        assert [await stage.status(id) for id in ids] == ["COMPLETED", status.value, "COMPLETED"]
        assert {what for what, _ in stage.boss.told} == {"settled"}, "its worker was not replaced"
        assert stage.meter.counted == ["began"] * 2

    play(tmp_path, scenario)


def test_one_that_has_ended_meanwhile_is_not_given_out_again(tmp_path: Path) -> None:
    async def scenario(stage: Stage) -> None:
        hand, ids = await stage.filled(4)
        await end_outside(stage, ids[1])
        await hand.wire.wait(Recall)
        stage.untouched(hand, *ids[1:])
        await end_outside(stage, ids[2])
        other = freed(stage)
        await other.wire.wait(RunJob)

        assert other.jobs == ids[3:]
        assert hand.here == (ids[:1], [])

    play(tmp_path, scenario)


def test_one_that_was_retried_meanwhile_leaves_no_ghost(tmp_path: Path) -> None:
    async def scenario(stage: Stage) -> None:
        hand, ids = await stage.filled(2)
        await end_outside(stage, ids[1], Status.TIMED_OUT)
        other = freed(stage)
        assert await stage.store.retry(ids[1])
        await other.wire.wait(RunJob)
        assert [frame.attempt for frame in other.wire.of(RunJob)] == [3]
        stage.untouched(hand, ids[1])

        assert hand.here == (ids[:1], [])
        assert other.here == (ids[1:], [])
        assert stage.runs.held == [(ids[0], 1), (ids[1], 3)]

    play(tmp_path, scenario)


def test_a_job_for_a_worker_of_its_own_that_comes_back_waits_for_another_such(tmp_path: Path) -> None:
    async def scenario(stage: Stage) -> None:
        [crashed] = await stage.submitted(1)
        [claim] = await stage.store.claim("render", 1, "host", 0)
        assert await stage.store.release(crashed, claim.record.attempt, Blame.CRASH)
        fresh, used = stage.hand(fresh=True), freed(stage)
        stage.free(fresh)
        await fresh.wire.wait(RunJob)
        fresh.worker.retiring, fresh.worker.opened = True, 0
        stage.runs.supply.withdraw(fresh.worker)
        stage.runs.on_untouched(fresh.worker, Untouched([(crashed, 2)]))
        stage.runs.heard()

        assert used.jobs == []
        assert stage.runs.supply.lonely == 1
        another = stage.hand(fresh=True)
        stage.free(another)
        assert another.jobs == [crashed]

    play(tmp_path, scenario)


def test_what_waits_when_the_host_stops_goes_back_and_the_rest_may_end(tmp_path: Path) -> None:
    async def scenario(stage: Stage) -> None:
        hand, ids = await stage.filled(3)
        await closed(stage)
        waiting = asyncio.create_task(stage.runs.wait_idle(PATIENCE))
        await hand.wire.wait(Recall)
        stage.untouched(hand, *ids[1:])
        await stage.returned(*ids[1:])
        assert freed(stage).jobs == []
        stage.ended(hand, ids[0])
        await waiting
        await stage.runs.give_back()
        assert await stage.status(ids[0]) == "COMPLETED"

    play(tmp_path, scenario)


def test_a_stop_that_hears_nothing_from_a_worker_counts_the_start_of_what_it_ran_alone(
    tmp_path: Path,
) -> None:
    async def scenario(stage: Stage) -> None:
        hand, ids = await stage.filled(3)
        await closed(stage)
        await stage.runs.wait_idle(0)
        await stage.runs.give_back()
        stage.runs.lost(hand.worker)

        await stage.returned(*ids[1:])
        record = await stage.store.record(ids[0])
        assert record is not None
        assert (record.status, record.returns, record.crashes) == ("IN_QUEUE", 1, 0)
        assert sorted(stage.meter.counted[1:]) == ["returned: none", "returned: unused", "returned: unused"]

    play(tmp_path, scenario)
