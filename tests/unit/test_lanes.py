"""How much each receiver is sent at a time, by a clock that the test turns."""

from __future__ import annotations

import attrs
import pytest

from workerkit.host.lanes import (
    ASKED,
    CLOSED_FOR,
    MOST_FAILURES,
    MOST_IN_LANE,
    MOST_IN_ROW,
    MOST_PROMPT,
    MOST_SLOW,
    MOST_SLOW_KEPT,
    MOST_TRIES,
    MOST_UNPROVEN,
    PROMPT,
    QUICK,
    Lanes,
    Share,
)

#: Seconds of a try that is not prompt, however many are on their way.
LONG = PROMPT * (MOST_IN_LANE + 1)


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


def trusted(lanes: Lanes, name: str, took: float) -> list[tuple[int, int]]:
    """How many at a time and in a row a lane is trusted with before each of some tries."""
    found = []
    for _ in range(6):
        turn = lanes.begin(name)
        [share] = [share for share in lanes.shares() if share.others]
        row = lanes.row(name)
        found.append((share.rooms[name] // row + 1, row))
        lanes.over(turn, took, well=True)
    return found


def test_a_lane_that_takes_long_is_trusted_with_more_at_a_time_as_it_answers(lanes: Lanes) -> None:
    most = (MOST_IN_LANE, 1)

    assert trusted(lanes, "a", LONG) == [(1, 1), (2, 1), (4, 1), most, most, most]


def test_a_prompt_lane_is_trusted_with_more_in_a_row_as_it_answers(lanes: Lanes) -> None:
    expected = [(1, 1), *[(MOST_PROMPT, row) for row in (2, 4, 8, MOST_IN_ROW, MOST_IN_ROW)]]

    assert trusted(lanes, "a", 0.0) == expected
    assert trusted(lanes, "a", LONG)[:3] == [(MOST_PROMPT, MOST_IN_ROW), (4, 8), (MOST_IN_LANE, 4)]


def test_only_the_rows_of_a_prompt_lane_are_sent_one_after_the_other(lanes: Lanes) -> None:
    trusted(lanes, "prompt", 0.0)
    trusted(lanes, "long", LONG)

    for name, alike in (("prompt", True), ("long", False)):
        first, second = (lanes.begin(name) for _ in range(2))
        assert (first.baton is second.baton) is alike


def test_nothing_waits_in_rows_for_a_turn_that_lingers(lanes: Lanes) -> None:
    trusted(lanes, "a", 0.0)
    turn = lanes.begin("a", MOST_IN_ROW)

    lanes.lingers(turn)

    assert lanes.row("a") == 1
    assert lanes.begin("a").baton is not turn.baton


@pytest.mark.parametrize("took", [0.0, LONG])
def test_a_lane_that_does_not_answer_is_trusted_with_one(lanes: Lanes, took: float) -> None:
    trusted(lanes, "a", took)
    tries(lanes, "a", False)
    assert lanes.row("a") == 1

    lanes.begin("a")

    assert not lanes.admits("a")


def test_what_was_taken_back_from_a_row_leaves_its_places(lanes: Lanes) -> None:
    turn = lanes.begin("a", MOST_IN_ROW)
    assert lanes.free == MOST_TRIES - MOST_IN_ROW

    lanes.less(turn, MOST_IN_ROW - 1)
    assert lanes.free == MOST_TRIES - 1

    lanes.over(turn, 0.0, well=True)
    assert lanes.free == MOST_TRIES


def test_a_row_that_began_with_answers_has_no_failure_in_a_row_but_its_last(lanes: Lanes) -> None:
    tries(lanes, "a", *[False] * (MOST_FAILURES - 1))

    assert not lanes.over(lanes.begin("a", 2), 0.0, well=False, tries=2)


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
    tries(lanes, "quick", True, True, True, took=LONG)
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
    assert first.rooms["a"]
    assert second.rooms == {}


def test_the_memory_of_failing_lanes_is_bounded(lanes: Lanes) -> None:
    for number in range(MOST_SLOW_KEPT + 10):
        tries(lanes, f"lane{number}", *[False] * MOST_FAILURES)

    assert len(lanes.resting()) == MOST_SLOW_KEPT
    assert lanes.admits("lane0")
    assert not lanes.admits(f"lane{MOST_SLOW_KEPT + 9}")
