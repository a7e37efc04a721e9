"""Failed starts of workers: pauses that grow, and when it is time to give up."""

from __future__ import annotations

from workerkit.host.starts import LONGEST_PAUSE, MOST_FAILURES, Starts


def test_pauses_double_up_to_a_minute_and_end_with_a_start_that_works() -> None:
    starts = Starts()
    pauses = [starts.pause]
    for _ in range(9):
        starts.failed("no GPU", passing=True)
        pauses.append(starts.pause)

    assert pauses == [0, 1, 2, 4, 8, 16, 32, 60, 60, LONGEST_PAUSE]
    starts.succeeded()
    assert (starts.pause, starts.problem) == (0, "")


def test_a_reason_is_news_once() -> None:
    starts = Starts()

    assert [starts.failed(why, passing=False) for why in ("a", "a", "b")] == [True, False, True]
    assert starts.sentence == "the last start of a worker failed: b"


def test_five_failures_within_a_minute_are_hopeless_unless_they_pass_by_themselves() -> None:
    broken, busy = Starts(), Starts()
    for _ in range(MOST_FAILURES):
        assert not broken.hopeless
        broken.failed("ImportError: no torch\n  File ...", passing=False)
        busy.failed("the GPU is busy", passing=True)

    assert broken.hopeless
    assert broken.sentence == "5 starts of workers have failed within 60 s: ImportError: no torch"
    assert not busy.hopeless
