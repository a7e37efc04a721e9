"""Failed starts of workers: pauses that grow, and when it is time to give up."""

from __future__ import annotations

from workerkit.host.starts import LONGEST_PAUSE, MOST_FAILURES, Starts


def test_pauses_double_up_to_a_minute_and_end_with_a_start_that_works() -> None:
    starts = Starts()
    pauses = [starts.pause]
    for _ in range(9):
        starts.failed("no GPU", starts.round, passing=True)
        pauses.append(starts.pause)

    assert pauses == [0, 1, 2, 4, 8, 16, 32, 60, 60, LONGEST_PAUSE]
    starts.succeeded()
    assert (starts.pause, starts.problem) == (0, "")


def test_a_reason_is_news_once() -> None:
    starts = Starts()

    assert [starts.failed(why, starts.round, passing=False) for why in ("a", "a", "b")] == [True, False, True]
    assert starts.sentence == "the last start of a worker failed: b"


def test_five_failures_in_a_row_are_hopeless_unless_they_pass_by_themselves() -> None:
    broken, busy = Starts(), Starts()
    for _ in range(MOST_FAILURES):
        assert not broken.hopeless
        broken.failed("ImportError: no torch\n  File ...", broken.round, passing=False)
        busy.failed("the GPU is busy", busy.round, passing=True)

    assert broken.hopeless
    assert broken.sentence == "5 starts of workers have failed in a row: ImportError: no torch"
    assert not busy.hopeless


def test_those_that_were_under_way_together_are_one_failure() -> None:
    starts = Starts()
    together = starts.round
    for _ in range(9):
        starts.failed("broken", together, passing=False)
        assert (starts.pause, starts.hopeless) == (1, False)
    starts.failed("broken", starts.round, passing=False)

    assert starts.pause == 2


def test_a_start_that_works_begins_the_count_anew() -> None:
    starts = Starts()
    for _ in range(3):
        for _ in range(MOST_FAILURES - 1):
            starts.failed("broken", starts.round, passing=False)
        starts.succeeded()

    assert (starts.hopeless, starts.problem) == (False, "")
