"""How much each receiver is sent at a time, by a clock that the test turns."""

from __future__ import annotations

import attrs
import pytest

from workerkit.host.lanes import (
    ASKED,
    CLOSED_FOR,
    MOST_FAILURES,
    MOST_IN_LANE,
    MOST_SLOW,
    MOST_SLOW_KEPT,
    MOST_TRIES,
    MOST_UNPROVEN,
    QUICK,
    Lanes,
    Share,
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


def tries(lanes: Lanes, name: str, *outcomes: bool | None, took: float = 0.0) -> None:
    for well in outcomes:
        lanes.over(lanes.begin(name), took, well=well)


def take(lanes: Lanes, count: int, name: str = "x{}") -> None:
    for number in range(count):
        lanes.begin(name.format(number))


def test_a_lane_is_trusted_with_more_as_it_answers_and_with_one_when_it_does_not(lanes: Lanes) -> None:
    rooms = []
    for _ in range(5):
        turn = lanes.begin("a")
        [share] = [share for share in lanes.shares() if share.others]
        rooms.append(share.rooms["a"] + 1)
        lanes.over(turn, 0.0, well=True)

    assert rooms == [1, 2, 4, 8, MOST_IN_LANE]
    tries(lanes, "a", False)
    lanes.begin("a")
    assert not lanes.admits("a")


def test_five_failures_in_a_row_close_a_lane_and_once_open_it_has_five_more(
    lanes: Lanes, clock: Clock
) -> None:
    tries(lanes, "a", *[False] * (MOST_FAILURES - 1))
    assert lanes.admits("a")
    assert lanes.over(lanes.begin("a"), 0.0, well=False)

    assert (lanes.resting(), lanes.admits("a"), lanes.admits("b")) == ({"a": CLOSED_FOR}, False, True)
    assert all("a" not in share.rooms or not share.rooms["a"] for share in lanes.shares())
    clock.now += CLOSED_FOR
    assert (lanes.resting(), lanes.admits("a")) == ({}, True)
    assert [lanes.over(lanes.begin("a"), 0.0, well=False) for _ in range(MOST_FAILURES)].count(True) == 1
    clock.now += CLOSED_FOR
    tries(lanes, "a", True)
    assert not any(lanes.over(lanes.begin("a"), 0.0, well=False) for _ in range(MOST_FAILURES - 1))


def test_a_lane_is_closed_once_by_failures_that_were_under_way_together(lanes: Lanes) -> None:
    tries(lanes, "a", True, True, True)
    turns = [lanes.begin("a") for _ in range(MOST_IN_LANE)]

    assert [lanes.over(turn, 0.0, well=False) for turn in turns].count(True) == 1


def test_what_was_not_sent_says_nothing_of_its_receiver(lanes: Lanes) -> None:
    tries(lanes, "a", *[None] * (2 * MOST_FAILURES))

    assert lanes.resting() == {}
    assert lanes.free == MOST_TRIES
    assert [share.rooms for share in lanes.shares()] == [{}, {}]


def test_slow_ones_whether_they_answer_or_not_have_half_of_the_places(lanes: Lanes) -> None:
    for number in range(MOST_SLOW):
        tries(lanes, f"x{number}", number % 2 == 0, took=QUICK)
    take(lanes, MOST_SLOW)

    assert not lanes.admits("x0")
    assert lanes.admits("new")
    [share] = lanes.shares()
    assert (share.limit, share.others) == (MOST_UNPROVEN - MOST_SLOW, 1)
    assert not any(share.rooms.values())
    assert set(lanes.waited_for().rooms.values()) == {0}


def test_new_ones_leave_room_for_those_that_answer_quickly(lanes: Lanes) -> None:
    tries(lanes, "quick", True, True, True)
    take(lanes, MOST_UNPROVEN)

    expected = Share(MOST_TRIES - MOST_UNPROVEN, {"quick": MOST_IN_LANE})
    assert list(lanes.shares()) == [expected]
    assert lanes.waited_for() == expected
    assert not lanes.admits("another")


def test_room_is_kept_for_whom_an_earlier_host_has_reached(lanes: Lanes) -> None:
    lanes.remember(["quick"])
    take(lanes, MOST_UNPROVEN)

    assert list(lanes.shares()) == [Share(MOST_TRIES - MOST_UNPROVEN, {"quick": 1})]


def test_all_slow_lanes_have_their_turn(lanes: Lanes) -> None:
    for number in range(3 * ASKED):
        tries(lanes, f"x{number}", False)

    asked = [set(list(lanes.shares())[1].rooms) for _ in range(3)]

    assert [len(names) for names in asked] == [ASKED] * 3
    assert len(set.union(*asked)) == 3 * ASKED


def test_a_slow_lane_that_answers_quickly_is_quick_again(lanes: Lanes) -> None:
    tries(lanes, "a", False, True)

    first, second = lanes.shares()
    assert "a" not in first.rooms
    assert second.rooms == {}


def test_the_memory_of_failing_lanes_is_bounded(lanes: Lanes) -> None:
    for number in range(MOST_SLOW_KEPT + 10):
        tries(lanes, f"lane{number}", *[False] * MOST_FAILURES)

    assert len(lanes.resting()) == MOST_SLOW_KEPT
    assert lanes.admits("lane0")
    assert not lanes.admits(f"lane{MOST_SLOW_KEPT + 9}")
