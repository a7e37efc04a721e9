from __future__ import annotations

from workerkit.host.printed import Printed


def filled(most: int, *lines: str) -> Printed:
    printed = Printed(most)
    for line in lines:
        printed.add(line)
    return printed


def test_the_last_whole_lines_are_kept_and_what_was_dropped_is_counted() -> None:
    printed = filled(12, "first", "second", "third")

    assert printed.after(0) == ("third\n", 19, 13)
    assert filled(13, "first", "second", "third").after(0) == ("second\nthird\n", 19, 6)


def test_of_a_line_that_is_longer_than_all_there_is_room_for_the_end_is_kept() -> None:
    assert filled(4, "0123456789").after(0) == ("789\n", 11, 7)
    assert filled(0, "0123456789").after(0) == ("", 11, 11)


def test_a_place_stays_good_when_lines_before_it_are_dropped() -> None:
    printed = filled(12, "first", "second")
    _, place, _ = printed.after(0)
    printed.add("third")

    assert printed.after(place) == ("third\n", 19, 0)
    assert printed.after(19) == ("", 19, 0)
    assert printed.after(1_000) == ("", 19, 0)


def test_what_is_kept_in_the_queue_has_the_same_places() -> None:
    printed = filled(14, "first", "zweite: ü", "7")

    read = Printed.read(printed.kept())

    assert read.after(0) == printed.after(0) == ("zweite: ü\n7\n", 19, 6)
    assert read.after(17) == ("7\n", 19, 0)
