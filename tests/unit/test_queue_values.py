from __future__ import annotations

import pytest

from workerkit.queue import End, Record, Submission, Tried, View
from workerkit.queue.values import EndLine, Value
from workerkit.states import Status

SECRET = b"hunter2"
JOB = {"id": "a", "endpoint": "b"}
RUN = {"status": Status.COMPLETED, "attempt": 1}


@pytest.mark.parametrize(
    "value",
    [
        Submission(**JOB, input=SECRET, fields=SECRET, sealed={"key": SECRET}),
        Record(**JOB, **RUN, input=SECRET, fields=SECRET, sealed={"key": SECRET}),
        View(**JOB, **RUN, submitted_at=0, progress=SECRET, body=SECRET),
        End(id="a", seen_status=Status.IN_PROGRESS, seen_attempt=1, status=Status.COMPLETED, body=SECRET),
        EndLine(id="a", seq=1, **RUN, finished_at=0, body=SECRET),
        Tried(number=1, at=0, took=0, outcome="retry", answer=SECRET.decode()),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_a_client_or_a_handler_said_is_not_shown(value: Value) -> None:
    shown = repr(value)
    assert "hunter2" not in shown
    assert shown.startswith(f"{type(value).__name__}(")


def test_the_rest_is_shown() -> None:
    assert repr(Tried(number=1, at=2, took=3, outcome="retry", status=500)) == (
        "Tried(number=1, at=2, took=3, outcome='retry', detail='', status=500, address='')"
    )
