"""How much each receiver is sent at a time, by a clock that the test turns."""

from __future__ import annotations

import attrs
import pytest

from workerkit.host.lanes import (
    CLOSED_FOR,
    MOST_FAILING,
    MOST_FAILURES,
    MOST_IN_LANE,
    MOST_TRIES,
    MOST_UNPROVEN,
    Lanes,
)


@attrs.define
class Clock:
    now: float = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def lanes(clock: Clock) -> Lanes:
    return Lanes(clock)


def tries(lanes: Lanes, name: str, *outcomes: bool | None) -> None:
    for good in outcomes:
        lanes.over(lanes.begin(name), good=good)


def test_a_lane_is_trusted_with_more_as_it_acknowledges(lanes: Lanes) -> None:
    turn = lanes.begin("a")
    assert lanes.rooms() == {"a": 0}
    lanes.over(turn, good=True)

    rooms = []
    for _ in range(4):
        [room] = lanes.proven_rooms().values()
        rooms.append(room)
        tries(lanes, "a", True)

    assert rooms == [2, 4, 8, MOST_IN_LANE]


def test_a_failure_brings_a_lane_back_to_one_at_a_time(lanes: Lanes) -> None:
    tries(lanes, "a", True, True, True, False)

    lanes.begin("a")

    assert lanes.proven_rooms() == {}
    assert lanes.rooms() == {"a": 0}


def test_five_failures_in_a_row_close_a_lane_for_a_while_and_the_next_one_again(
    lanes: Lanes, clock: Clock
) -> None:
    tries(lanes, "a", *[False] * (MOST_FAILURES - 1))
    assert lanes.admits("a")
    assert lanes.over(lanes.begin("a"), good=False)

    assert (lanes.rooms(), lanes.admits("a"), lanes.opens_in()) == ({"a": 0}, False, CLOSED_FOR)
    assert lanes.admits("b")
    clock.now += CLOSED_FOR
    assert (lanes.rooms(), lanes.admits("a"), lanes.opens_in()) == ({}, True, None)
    assert lanes.over(lanes.begin("a"), good=False)
    assert lanes.opens_in() == CLOSED_FOR
    clock.now += CLOSED_FOR
    tries(lanes, "a", True)
    assert not any(lanes.over(lanes.begin("a"), good=False) for _ in range(MOST_FAILURES - 1))


def test_a_lane_is_closed_once_by_failures_that_were_under_way_together(lanes: Lanes) -> None:
    tries(lanes, "a", True, True, True)
    turns = [lanes.begin("a") for _ in range(MOST_IN_LANE)]

    assert [lanes.over(turn, good=False) for turn in turns].count(True) == 1


def test_what_was_not_sent_says_nothing_of_its_receiver(lanes: Lanes) -> None:
    tries(lanes, "a", *[None] * (2 * MOST_FAILURES))

    assert lanes.opens_in() is None
    assert lanes.free == MOST_TRIES


def test_room_is_kept_for_lanes_that_acknowledge(lanes: Lanes) -> None:
    tries(lanes, "good", True, True, True)
    for number in range(MOST_UNPROVEN):
        lanes.begin(f"hangs{number}")

    assert lanes.free_for_all == 0
    assert lanes.free == MOST_TRIES - MOST_UNPROVEN
    assert lanes.proven_rooms() == {"good": MOST_IN_LANE}
    assert not lanes.admits("another")


def test_the_memory_of_failing_lanes_is_bounded(lanes: Lanes) -> None:
    for number in range(MOST_FAILING + 10):
        tries(lanes, f"lane{number}", *[False] * MOST_FAILURES)

    assert len(lanes.rooms()) == MOST_FAILING
    assert lanes.admits("lane0")
    assert not lanes.admits(f"lane{MOST_FAILING + 9}")
