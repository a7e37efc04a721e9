"""What a handler keeps of one job comes out of no other: each run is searched for the secrets of all its worker's."""

from __future__ import annotations

import json
import logging
from typing import cast

import pytest

from leaking import SECRET, URL
from supplying import a_worker
from workerkit.host.meter import Meter
from workerkit.host.run import Run
from workerkit.host.worker import Worker
from workerkit.job import Request, Status
from workerkit.queue import Record
from workerkit.wire import Hide

LEAK = json.dumps(["leaked", SECRET]).encode()
MASKED = b'["leaked", "***"]'


class Counting(Meter):
    """What was masked, and where."""

    def __init__(self) -> None:
        self.masked: list[tuple[str, int]] = []

    def secrets_masked(self, endpoint: str, place: str, count: int) -> None:
        assert endpoint == "render"
        self.masked.append((place, count))


def begun(worker: Worker, id: str, *secrets: str, meter: Meter | None = None) -> Run:
    """A run that a worker has, in the slot of that number."""
    record = Record(id=id, endpoint="render", status=Status.IN_PROGRESS, attempt=1, input=b"1")
    request = cast(Request, None)  # is not looked at
    run = Run(record, request, worker, 0.0, worker.output.redactor, set(secrets), meter or Meter())
    worker.take(int(id), run)
    return run


def over(run: Run) -> None:
    run.worker.busy.clear()
    run.worker.left(run)


def test_the_secret_of_an_earlier_run_is_masked_counted_and_told(caplog: pytest.LogCaptureFixture) -> None:
    worker, meter = a_worker(), Counting()
    over(begun(worker, "0", SECRET))
    later = begun(worker, "1", meter=meter)

    assert later.shown(LEAK, "progress") == MASKED
    assert list(later.chunks(0, json.dumps(SECRET[:9]).encode())) == []
    assert list(later.chunks(1, json.dumps(SECRET[9:]).encode())) == [(0, b'"***"'), (1, b'""')]
    assert list(later.chunks(2, json.dumps(SECRET[:9]).encode())) == []
    assert list(later.last_chunks()) == [(2, b'"***"')]
    result = later.result(Status.FAILED, output=LEAK, error=f"no {SECRET}", notes={SECRET: SECRET})
    assert (result.error, result.notes) == ("no ***", {"***": "***"})
    assert SECRET.encode() not in (result.output or b"")
    assert later.clean(URL) == URL.replace(SECRET, "***")
    assert meter.masked == [
        ("progress", 1),
        ("chunk", 1),
        ("chunk", 1),
        ("output", 1),
        ("error", 1),
        ("notes", 2),
    ]
    warnings = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert warnings == ["job 1 of render: a secret came out of the handler (progress) and was masked"]


def test_a_run_that_began_before_another_had_its_secret_masks_it_too() -> None:
    worker = a_worker(2)
    first = begun(worker, "0")
    assert first.shown(LEAK, "progress") is LEAK

    second = begun(worker, "1", SECRET)
    assert SECRET.encode() not in first.shown(LEAK, "progress")

    worker.output.hide(Hide(second.record.id, 1, 0, "open sesame"))
    assert first.shown("open sesame", "error") == "***"


def test_another_worker_does_not_know_it() -> None:
    over(begun(a_worker(), "0", SECRET))

    assert begun(a_worker(), "0").shown(LEAK, "output") is LEAK


def test_a_url_that_a_run_exempts_passes_though_an_earlier_one_had_the_same_secret() -> None:
    """As it is where every request brings the credentials of one bucket."""
    worker = a_worker(2)
    first = begun(worker, "0", SECRET)
    first.exempt(URL)
    second, third = begun(worker, "1", SECRET), begun(worker, "2", SECRET)
    second.exempt(URL)
    over(first)

    assert second.shown(f"{URL} {SECRET}", "output") == f"{URL} ***"
    assert third.shown(URL, "output") == URL.replace(SECRET, "***")
    assert list(worker.output.redactor.secrets) == [SECRET]


def test_where_there_was_never_a_secret_nothing_is_looked_at() -> None:
    run, odd = begun(a_worker(), "0"), b"no JSON, as the least look at it would find"

    assert run.shown(odd, "output") is odd
    assert list(run.chunks(0, odd)) == [(0, odd)]
    assert list(run.last_chunks()) == []
