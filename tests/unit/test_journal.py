from __future__ import annotations

import asyncio

import pytest

from workerkit import Delivery
from workerkit.host.journal import KEPT, MOST_ENTRIES, Entries, Journal
from workerkit.queue import DeliveryState, Tried


def add(journal: Journal, number: int) -> None:
    delivery = Delivery(
        target="http://here/hook?token=hunter2", id=f"msg_{number}", attempts=3, plugin="post"
    )
    tried = Tried(number=1, at=5, took=7, outcome="delivered", status=200)
    journal.add(delivery, DeliveryState.DELIVERED, tried, None)


def read(journal: Journal, place: int | None, seconds: float) -> Entries:
    return asyncio.run(journal.after(place, seconds))


def test_what_was_added_is_read_from_a_place_on() -> None:
    journal = Journal()
    for number in range(3):
        add(journal, number)

    page = read(journal, 1, 0)

    assert [entry.id for entry in page.attempts] == ["msg_1", "msg_2"]
    assert (page.after, page.missed) == (3, 0)
    assert page.attempts[0].target == "http://here/hook?…"
    assert (read(journal, 3, 0)).attempts == []


def test_without_a_place_it_begins_now_and_whoever_waits_is_woken() -> None:
    journal = Journal()
    add(journal, 0)
    assert (read(journal, None, 0)).after == 1

    async def waited() -> Entries:
        waiting = asyncio.ensure_future(journal.after(None, 60))
        await asyncio.sleep(0)
        add(journal, 1)
        return await asyncio.wait_for(waiting, 10)

    page = asyncio.run(waited())
    assert [entry.id for entry in page.attempts] == ["msg_1"]


def test_a_wait_ends_with_nothing_when_nothing_comes() -> None:
    page = read(Journal(), 0, 0.01)

    assert (page.attempts, page.after, page.missed) == ([], 0, 0)


def test_what_is_forgotten_is_counted_and_a_page_is_bounded() -> None:
    journal = Journal()
    for number in range(KEPT + 7):
        add(journal, number)

    page = read(journal, 0, 0)

    assert page.missed == 7
    assert page.attempts[0].id == "msg_7"
    assert len(page.attempts) == MOST_ENTRIES
    assert page.after == 7 + MOST_ENTRIES


@pytest.mark.parametrize("place", [4, 1000])
def test_a_place_of_an_earlier_server_begins_with_all_there_is(place: int) -> None:
    journal = Journal()
    add(journal, 0)

    assert [entry.id for entry in (read(journal, place, 0)).attempts] == ["msg_0"]
