"""The delivery engine: attempts and outcomes, with a real queue and real plugins."""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path

import pytest

from delivery_stage import MAKER, PATIENCE, Sender, ended, play, settled, to
from workerkit.bridge import Bridge
from workerkit.hooks import Hooks
from workerkit.host.deliveries import Deliveries
from workerkit.queue import DeliveryFilter, DeliveryState
from workerkit.queue.sqlite import SQLiteStore


def test_each_outcome_is_stored_with_its_attempts_and_its_words(tmp_path: Path) -> None:
    async def scenario(store: SQLiteStore, sender: Sender) -> None:
        kinds = ["arrives", "refuses", "gone", "waits", "raises"]
        await ended(store, [to(kind) for kind in kinds])
        over = (DeliveryState.DELIVERED, DeliveryState.DEAD, DeliveryState.HELD)

        rows = await settled(store, 5, *over)

        assert sorted(rows)[:3] == [
            ("dead", 1, "answered 410"),
            ("dead", 2, "answered 500"),
            ("dead", 2, "plugin 'sender' failed in deliver: RuntimeError: the wire is cut"),
        ]
        assert sorted(rows)[3:] == [("delivered", 1, "answered 200"), ("held", 0, "no key")]
        assert len(sender.tried) == 7

    play(tmp_path, scenario)


def test_an_outcome_is_stored_in_one_transaction_with_the_claim_of_the_next(tmp_path: Path) -> None:
    commits: list[int] = []

    async def scenario(store: SQLiteStore, sender: Sender) -> None:
        commits.clear()
        await settled(store, 2, DeliveryState.DELIVERED)

    # One that is new is sent one at a time: the second is claimed when the first has arrived.
    play(tmp_path, scenario, left=[to("arrives"), to("arrives")], on_commit=commits.append)

    assert commits == [1, 2, 2]


def test_a_host_may_stop_at_any_step(tmp_path: Path) -> None:
    async def scenario(store: SQLiteStore, sender: Sender) -> None:
        engine = Deliveries(store, Hooks([], Bridge()))
        for steps in range(30):
            running = asyncio.create_task(engine.run())
            for _ in range(steps):
                await asyncio.sleep(0)
            running.cancel()
            assert await asyncio.wait({running}, timeout=PATIENCE) == ({running}, set())

    play(tmp_path, scenario)


def test_every_try_is_in_the_log_of_its_delivery(tmp_path: Path) -> None:
    async def scenario(store: SQLiteStore, sender: Sender) -> None:
        await ended(store, [to("refuses")])
        await settled(store, 1, DeliveryState.DEAD)

        [row] = await store.deliveries(DeliveryFilter(), after=None, limit=100)
        found = await store.delivery(row.id)
        assert found is not None
        assert [(tried.number, tried.outcome, tried.detail) for tried in found[2]] == [
            (1, "retry", "answered 500"),
            (2, "retry", "answered 500"),
        ]
        assert all(0 <= tried.took < 1000 * PATIENCE for tried in found[2])
        assert found[2][0].at <= found[2][1].at

    play(tmp_path, scenario)


def test_a_delivery_whose_plugin_is_gone_is_held_with_the_reason(tmp_path: Path) -> None:
    async def scenario(store: SQLiteStore, sender: Sender) -> None:
        await ended(store, [to("arrives", plugin="slack")])

        [(_, tries, detail)] = await settled(store, 1, DeliveryState.HELD)

        assert tries == 0
        assert "'slack' is not active" in detail

    play(tmp_path, scenario)


def test_what_waits_for_a_plugin_that_cannot_send_it_is_said_once_and_not_for_each(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def scenario(store: SQLiteStore, sender: Sender) -> None:
        await settled(store, 4, DeliveryState.HELD)

    gone = [to("arrives", plugin="slack") for _ in range(3)]
    with caplog.at_level(logging.INFO):
        play(tmp_path, scenario, left=[*gone, to("arrives", plugin="mute")])

    shows = "`workerkit deliveries list --state held` shows them"
    assert sorted(caplog.messages) == [
        "deliveries that are held: 1, because plugin 'mute' has no deliver hook any more; "
        f"install a version that has, then restart; {shows}",
        "deliveries that are held: 3, because plugin 'slack' is not active; "
        f"install or enable it, then restart; {shows}",
    ]


def test_what_another_made_is_held_and_said_once_for_each_maker(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def scenario(store: SQLiteStore, sender: Sender) -> None:
        await settled(store, 3, DeliveryState.HELD)
        await settled(store, 1, DeliveryState.DELIVERED)
        assert len(sender.tried) == 1

    others = [to("arrives", maker=maker) for maker in ("old-sender", "old-sender", "older-sender")]
    with caplog.at_level(logging.WARNING):
        play(tmp_path, scenario, left=[*others, to("arrives", maker=MAKER)])

    said = sorted(message.partition(";")[0] for message in caplog.messages)
    assert [line.partition(" because ")[0] for line in said] == [
        "deliveries that are held: 1,",
        "deliveries that are held: 2,",
    ]
    assert "older-sender" in said[0]
    assert "old-sender" in said[1]


def test_what_another_made_and_is_sent_again_by_hand_is_held_with_the_reason(tmp_path: Path) -> None:
    async def scenario(store: SQLiteStore, sender: Sender) -> None:
        await ended(store, [to("arrives", maker="old-sender")])

        [(_, tries, detail)] = await settled(store, 1, DeliveryState.HELD)

        assert tries == 0
        assert "old-sender" in detail
        assert sender.tried == []

    play(tmp_path, scenario)
