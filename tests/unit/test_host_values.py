"""Small parts of the host: the status object."""

from __future__ import annotations

from workerkit.host.status import body_of, ended_body, joined, lasting, stream_body
from workerkit.job import Result
from workerkit.queue import Record, View
from workerkit.states import Status

RECORD = Record(id="1-u1", endpoint="render", status=Status.IN_PROGRESS, attempt=1, input=b"1")


def test_an_ended_job_shows_runpods_keys_and_its_output_unchanged() -> None:
    result = Result(
        status=Status.COMPLETED,
        attempt=1,
        output=b'{"a":  [1.50]}',
        delay_time=3,
        execution_time=4,
        worker_id="w",
    )

    assert ended_body(RECORD, result) == (
        b'{"delayTime":3,"executionTime":4,"id":"1-u1","status":"COMPLETED","workerId":"w","output":{"a":  [1.50]}}'
    )


def test_a_results_value_is_its_output_decoded_once_and_none_without_one() -> None:
    result = Result(status=Status.COMPLETED, attempt=1, output=b'{"a": [1.5, null]}')

    assert result.value == {"a": [1.5, None]}
    assert result.value is result.value
    assert Result(status=Status.FAILED, attempt=1, error="no").value is None


def test_a_failed_job_shows_its_error_and_how_often_it_was_started_again() -> None:
    record = Record(
        id="1-u1", endpoint="render", status=Status.IN_PROGRESS, attempt=3, input=b"1", crashes=1, returns=1
    )

    assert ended_body(record, Result(status=Status.FAILED, attempt=3, error="no\n")) == (
        b'{"id":"1-u1","status":"FAILED","error":"no\\n","retries":2}'
    )


def test_a_job_on_its_way_shows_its_times_so_far_and_its_progress() -> None:
    waiting = View("1-u1", "render", Status.IN_QUEUE, 0, submitted_at=100)
    running = View("1-u1", "render", Status.IN_PROGRESS, 1, submitted_at=100, started_at=130, progress=b"50")

    assert body_of(waiting, 150) == b'{"delayTime":50,"id":"1-u1","status":"IN_QUEUE"}'
    assert body_of(running, 150) == (
        b'{"delayTime":30,"executionTime":20,"id":"1-u1","status":"IN_PROGRESS","output":50}'
    )


def test_chunks_are_joined_without_being_read() -> None:
    assert joined([b"1", b'{"a": 2}']) == b'[1,{"a": 2}]'
    assert joined([]) == b"[]"
    assert stream_body(Status.COMPLETED, [b"1"]) == b'{"status":"COMPLETED","stream":[{"output":1}]}'


def test_a_length_of_time_is_told_in_the_unit_that_fits_it() -> None:
    assert [lasting(seconds) for seconds in (86_400, 5_400, 7_200, 90, 60, 0.5, 0)] == [
        "1 d",
        "90 min",
        "2 h",
        "90 s",
        "1 min",
        "0.5 s",
        "0 s",
    ]
