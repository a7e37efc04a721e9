"""When a failed job runs again, and when it does not."""

from __future__ import annotations

import math

import pytest

from workerkit.errors import WorkerkitError
from workerkit.host.verdict import LONGEST_WAIT, MOST_STARTS, crashed_too_often, may_begin, next_run
from workerkit.queue import Record
from workerkit.states import Status
from workerkit.wire import Descriptor, JobEnd

NOW = 1_000_000
HOUR = 3_600_000


def function(retries: int | None = 3, delay: int = 1000, max_starts: int | None = None) -> Descriptor:
    return Descriptor("render", "function", retries=retries, retry_delay=delay, max_starts=max_starts)


def record(failures: int = 0, expires_in: int = 24 * HOUR, crashes: int = 0, returns: int = 0) -> Record:
    return Record(
        id="job",
        endpoint="render",
        status=Status.IN_PROGRESS,
        attempt=1 + failures + crashes + returns,
        input=b"null",
        expires_at=NOW + expires_in,
        failures=failures,
        crashes=crashes,
        returns=returns,
    )


def failed(retry: str = "failed", after: float | None = None, status: Status = Status.FAILED) -> JobEnd:
    return JobEnd(0, "job", 1, status, error="x", retry=retry, retry_after=after)


def test_each_wait_is_twice_the_one_before_give_or_take_a_fifth() -> None:
    for failures in range(3):
        waits = [next_run(function(), record(failures), failed(), NOW) for _ in range(200)]
        expected = 1000 * 2**failures
        assert all(wait is not None and 0.8 * expected - 1 <= wait <= 1.2 * expected for wait in waits)
        assert len(set(waits)) > 10, "no jitter"


def test_a_wait_that_has_grown_for_long_stays_at_ten_minutes() -> None:
    for failures in (12, 5000):
        wait = next_run(function(retries=10_000), record(failures), failed(), NOW)
        assert wait is not None
        assert 0.8 * LONGEST_WAIT - 1 <= wait <= 1.2 * LONGEST_WAIT


def test_the_last_failure_has_no_run_after_it() -> None:
    assert next_run(function(retries=2), record(1), failed(), NOW) is not None
    assert next_run(function(retries=2), record(2), failed(), NOW) is None


def test_without_retries_an_exception_ends_the_job_and_retry_is_honoured_three_times() -> None:
    assert next_run(function(None), record(), failed(), NOW) is None
    assert next_run(function(None), record(2), failed("asked"), NOW) is not None
    assert next_run(function(None), record(3), failed("asked"), NOW) is None
    assert next_run(function(0), record(), failed("asked"), NOW) is None


def test_a_wait_that_was_asked_for_is_kept_to_the_millisecond() -> None:
    assert next_run(function(), record(), failed("asked", 2.5), NOW) == 2500
    assert next_run(function(), record(), failed("asked", 3000.0), NOW) == 3_000_000
    assert next_run(function(), record(), failed("asked", 0.0), NOW) == 0


@pytest.mark.parametrize(("after", "wait"), [(-5.0, 0), (math.nan, 0), (math.inf, None)])
def test_a_wait_that_makes_no_sense_loses_no_job(after: float, wait: int | None) -> None:
    assert next_run(function(), record(), failed("asked", after), NOW) == wait


def test_a_run_that_would_begin_after_the_ttl_is_none() -> None:
    assert next_run(function(), record(expires_in=5001), failed("asked", 5.0), NOW) == 5000
    assert next_run(function(), record(expires_in=5000), failed("asked", 5.0), NOW) is None


def test_an_end_that_is_no_failure_is_not_tried_again() -> None:
    assert next_run(function(), record(), failed(""), NOW) is None
    assert next_run(function(), record(), failed(status=Status.COMPLETED), NOW) is None
    assert next_run(function(), record(), failed(status=Status.CANCELLED), NOW) is None


def test_only_runs_that_were_cut_off_count_against_the_starts_of_a_job() -> None:
    may_begin(record(failures=5 * MOST_STARTS, crashes=2, returns=MOST_STARTS - 3))

    with pytest.raises(WorkerkitError, match=f"{MOST_STARTS} of its runs were cut off"):
        may_begin(record(crashes=2, returns=MOST_STARTS - 2))


def test_a_function_says_how_many_crashes_are_too_many_or_the_settings_do() -> None:
    assert not crashed_too_often(function(), record(crashes=1), 3)
    assert crashed_too_often(function(), record(crashes=2), 3)
    assert crashed_too_often(function(max_starts=1), record(), 3)
    assert not crashed_too_often(function(max_starts=5), record(crashes=3), 3)
