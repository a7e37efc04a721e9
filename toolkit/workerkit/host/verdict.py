"""Whether a run that came to nothing is followed by another, and when."""

from __future__ import annotations

import random

from workerkit.errors import WorkerkitError
from workerkit.queue import Record
from workerkit.states import Status
from workerkit.wire import Descriptor, JobEnd

#: A job whose runs were cut off this often goes back no more, whoever was to blame.
MOST_STARTS = 10
#: Runs more that a job has whose handler raises `Retry`, where `retries=` is not given.
ASKED = 3
#: Milliseconds that the growing wait between two runs reaches at most, and its relative jitter.
LONGEST_WAIT, JITTER = 600_000, 0.2
#: What a JobEnd says in `retry` when the handler raised `Retry`.
HANDLER_ASKED = "asked"


def may_begin(record: Record) -> None:
    """Raises `WorkerkitError` when a job was started too often. Runs that failed do not count here."""
    cut_off = record.crashes + record.returns
    if cut_off >= MOST_STARTS:
        raise WorkerkitError(
            f"the job was started {record.restarts} times, and {cut_off} of its runs were cut off before their end"
        )


def allowed(function: Descriptor, frame: JobEnd) -> int:
    """How many runs of a job may fail without failing it."""
    if function.retries is not None:
        return function.retries
    return ASKED if frame.retry == HANDLER_ASKED else 0


def next_run(function: Descriptor, record: Record, frame: JobEnd, now: int) -> int | None:
    """Milliseconds from now to the next run of a job that has failed; None when there is none.

    There is none after its ttl either: the client gets the error of the last run rather than
    "expired".
    """
    if not frame.retry or frame.status is not Status.FAILED or record.failures >= allowed(function, frame):
        return None
    wait = _wait(function, record, frame)
    return int(wait) if now + wait < record.expires_at else None


def _wait(function: Descriptor, record: Record, frame: JobEnd) -> float:
    if frame.retry_after is not None:
        return frame.retry_after * 1000 if frame.retry_after > 0 else 0.0
    grown = function.retry_delay * 2.0 ** min(record.failures, 30)
    return min(grown, LONGEST_WAIT) * random.uniform(1 - JITTER, 1 + JITTER)  # noqa: S311 - no secret


def crashed_too_often(function: Descriptor, record: Record, most: int) -> bool:
    """Whether a job whose worker has just died is given up. `most` holds for functions that do not say."""
    return record.crashes + 1 >= (function.max_starts or most)


def too_large(limit: int) -> str:
    """Why a job fails whose chunks add up to more than an output may be."""
    return (
        f"the chunks add up to more than limits.output, {limit:,} bytes; "
        "yield less, or use @worker_function(aggregate=False) to stream without collecting"
    )
