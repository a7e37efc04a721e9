"""Whom the delivery engine sends how much at a time, and what for one receiver costs the others."""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path

import attrs
import pytest

from delivery_stage import PATIENCE, Sender, ended, play, settled, to
from workerkit.host.deliveries import MOST_LARGE
from workerkit.host.lanes import MOST_FAILURES, MOST_IN_LANE, MOST_IN_ROW, MOST_PROMPT, MOST_UNPROVEN
from workerkit.queue import DeliveryFilter, DeliveryState
from workerkit.queue.sqlite import SQLiteStore


def test_a_receiver_that_hangs_delays_its_own_lane_only(tmp_path: Path) -> None:
    async def scenario(store: SQLiteStore, sender: Sender) -> None:
        await ended(store, [to("arrives", "slow") for _ in range(MOST_IN_LANE)])
        await settled(store, MOST_IN_LANE, DeliveryState.DELIVERED)
        await ended(store, [to("hangs", "slow") for _ in range(20)])
        await settled(store, 1, DeliveryState.SENDING)
        await ended(store, [to("arrives", "quick") for _ in range(10)])

        await settled(store, MOST_IN_LANE + 10, DeliveryState.DELIVERED)

        # What waits in a row behind those that hang is taken back, and so is the row that waits for it.
        await asyncio.to_thread(sender.begun[MOST_IN_LANE + 10 + MOST_PROMPT].wait, PATIENCE)
        await settled(store, 20 - MOST_PROMPT, DeliveryState.PENDING)
        hanging = [id for id, _ in sender.tried].count
        rows = await store.deliveries(DeliveryFilter(lane="slow"), after=None, limit=100)
        assert sum(row.state is DeliveryState.SENDING for row in rows) == MOST_PROMPT
        assert all(hanging(row.id) == row.number for row in rows)
        sender.release.set()
        await settled(store, MOST_IN_LANE + 30, DeliveryState.DELIVERED)

    play(tmp_path, scenario)


def test_fifty_receivers_that_hang_leave_room_for_one_that_acknowledges(tmp_path: Path) -> None:
    async def scenario(store: SQLiteStore, sender: Sender) -> None:
        await ended(store, [to("arrives", "good")])
        await settled(store, 1, DeliveryState.DELIVERED)
        await ended(store, [to("hangs", f"slow{number}") for number in range(50)])
        await settled(store, MOST_UNPROVEN, DeliveryState.SENDING)

        await ended(store, [to("arrives", "good") for _ in range(20)])

        await settled(store, 21, DeliveryState.DELIVERED)
        sender.release.set()
        await settled(store, 71, DeliveryState.DELIVERED)

    play(tmp_path, scenario)


def test_five_failures_close_a_lane_without_using_up_tries_and_are_said_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def scenario(store: SQLiteStore, sender: Sender) -> None:
        await ended(store, [to("refuses", "down") for _ in range(8)])
        await asyncio.to_thread(sender.begun[MOST_FAILURES].wait, PATIENCE)
        await ended(store, [to("arrives", "up")])
        await settled(store, 1, DeliveryState.DELIVERED)

        rows = await store.deliveries(DeliveryFilter(lane="down"), after=None, limit=100)
        assert sum(row.number for row in rows) == len(sender.tried) - 1 == MOST_FAILURES
        assert all(row.state in (DeliveryState.PENDING, DeliveryState.DEAD) for row in rows)

    with caplog.at_level(logging.WARNING):
        play(tmp_path, scenario)

    said = "down has failed 5 times in a row: nothing is sent there for 30 s, and no try is used up"
    assert caplog.messages.count(said) == 1


def test_a_prompt_receiver_that_goes_down_uses_up_no_tries_but_those_made(tmp_path: Path) -> None:
    async def scenario(store: SQLiteStore, sender: Sender) -> None:
        await ended(store, [to("arrives", "down") for _ in range(MOST_IN_ROW)])
        await settled(store, MOST_IN_ROW, DeliveryState.DELIVERED)
        await ended(store, [to("refuses", "down") for _ in range(2 * MOST_IN_ROW)])
        await asyncio.to_thread(sender.begun[MOST_IN_ROW + MOST_FAILURES].wait, PATIENCE)

        over = (DeliveryState.DELIVERED, DeliveryState.PENDING, DeliveryState.DEAD)
        await settled(store, 3 * MOST_IN_ROW, *over)
        rows = await store.deliveries(DeliveryFilter(lane="down"), after=None, limit=100)
        assert sum(row.number for row in rows) == len(sender.tried) == MOST_IN_ROW + MOST_FAILURES

    play(tmp_path, scenario)


def test_a_receiver_that_refuses_is_one_that_answers_and_its_lane_stays_open(tmp_path: Path) -> None:
    async def scenario(store: SQLiteStore, sender: Sender) -> None:
        await ended(store, [to("unknown") for _ in range(2 * MOST_FAILURES)])
        await ended(store, [to("arrives")])

        await settled(store, 2 * MOST_FAILURES, DeliveryState.DEAD)
        await settled(store, 1, DeliveryState.DELIVERED)

    play(tmp_path, scenario)


def test_what_could_not_be_sent_from_here_comes_again_and_no_try_is_counted(tmp_path: Path) -> None:
    async def scenario(store: SQLiteStore, sender: Sender) -> None:
        await ended(store, [to("busy")])

        assert await settled(store, 1, DeliveryState.DELIVERED) == [("delivered", 1, "answered 200")]
        [row] = await store.deliveries(DeliveryFilter(), after=None, limit=100)
        found = await store.delivery(row.id)
        assert found is not None
        assert [tried.outcome for tried in found[2]] == ["delivered"]
        assert len(sender.tried) == 4

    play(tmp_path, scenario)


def test_what_has_not_arrived_in_its_time_is_dead_and_is_not_sent_any_more(tmp_path: Path) -> None:
    async def scenario(store: SQLiteStore, sender: Sender) -> None:
        slow = attrs.evolve(to("unknown", "late"), attempts=10**6, within=0.2)
        await ended(store, [slow])

        [(_, tries, detail)] = await settled(store, 1, DeliveryState.DEAD)

        assert detail == "it had not arrived in the time that it had; redeliver it to try again"
        assert 1 <= tries == len(sender.tried)
        [row] = await store.deliveries(DeliveryFilter(), after=None, limit=100)
        assert await store.redeliver(row.id)
        await settled(store, 1, DeliveryState.DEAD)
        assert len(sender.tried) == tries + 1

    play(tmp_path, scenario)


def test_a_large_body_is_read_when_it_is_sent_and_few_are_at_a_time(tmp_path: Path) -> None:
    async def scenario(store: SQLiteStore, sender: Sender) -> None:
        large = [attrs.evolve(to("hangs", f"l{n}"), body=b"x" * 100_000) for n in range(3 * MOST_LARGE)]
        await ended(store, large)
        await asyncio.to_thread(sender.begun[MOST_LARGE].wait, PATIENCE)
        await ended(store, [to("arrives", "small")])
        await settled(store, 1, DeliveryState.DELIVERED)
        assert len(sender.tried) == MOST_LARGE + 1
        sender.release.set()

        await settled(store, 3 * MOST_LARGE + 1, DeliveryState.DELIVERED)
        assert sorted(sender.sizes)[-3 * MOST_LARGE :] == [100_000] * 3 * MOST_LARGE

    play(tmp_path, scenario)
