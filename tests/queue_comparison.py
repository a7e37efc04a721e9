"""What can be seen of a queue, held against its model."""

from __future__ import annotations

from collections.abc import Coroutine, Iterable
from contextlib import suppress
from typing import Any

from outbox_model import Sent
from queue_model import Job, Model
from workerkit.job import EMPTY
from workerkit.queue import DeliveryFilter, DeliveryLine, EndLine, Record
from workerkit.queue.sqlite import SQLiteStore

ENDPOINTS = ("render", "caption")


def at_once(call: Coroutine[Any, Any, None]) -> None:
    """Make calls that wait for nothing, without a turn of the event loop."""
    with suppress(StopIteration):
        call.send(None)
        raise AssertionError("a call that only reads has waited")


async def compare_lists(store: SQLiteStore, model: Model) -> None:
    """Counts, and where every job and every delivery is in its life. Nothing else is there."""
    for endpoint in ENDPOINTS:
        assert await store.counts(endpoint) == model.counts(endpoint)
        lines = store._reader.ends(endpoint, 0, 999, 10**6)
        assert [of_end(line) for line in lines] == [of_ended(job) for job in model.ends(endpoint)]
        model.place(endpoint, lines)
    # On this thread, as the lists of the store are made on another.
    jobs = {
        line.id: (line.endpoint, line.status, line.attempt, line.submitted_at, line.started_at)
        for line in store._reader.jobs(None, None, None, 999)
    }
    assert jobs == {
        id: (job.asked.endpoint, job.status, job.attempt, job.submitted_at, job.started_at)
        for id, job in model.jobs.items()
    }
    deliveries = [of_line(line) for line in store._reader.deliveries(DeliveryFilter(), None, 999)]
    assert deliveries == [of_sent(id, sent) for id, sent in reversed(model.outbox.sent.items())]
    await compare_deliveries(store, [(id, sent) for id, sent in model.outbox.sent.items() if sent.left])


async def compare_lines(store: SQLiteStore, model: Model) -> None:
    """Who waits, in which order; whose time is over."""
    for endpoint in ENDPOINTS:
        assert ids(await store.queued(endpoint, 99)) == ids_of(model.queued(endpoint))
    assert set(ids(await store.expired(99))) == set(ids_of(model.expired()))
    assert set(ids(await store.lapsed(99))) == set(ids_of(model.lapsed()))


async def compare_details(store: SQLiteStore, model: Model, job: Job) -> None:
    """All that is stored of one job, and the bodies of its deliveries."""
    id = job.asked.id
    view, record = await store.view(id), await store.record(id)
    assert view is not None
    assert (view.progress, view.body) == (job.progress, job.body)
    assert record is not None
    assert of_record(record) == of_job(job)
    assert await store.logs(id) == sorted(job.logs.items())
    await compare_deliveries(
        store, [(name, sent) for name, sent in model.outbox.sent.items() if sent.job == id]
    )


async def compare_deliveries(store: SQLiteStore, several: Iterable[tuple[str, Sent]]) -> None:
    """What they carry, and their logs."""
    for name, sent in several:
        found = await store.delivery(name)
        assert found is not None
        assert found[1:] == (sent.body, sent.log)


def of_line(line: DeliveryLine) -> tuple[Any, ...]:
    """What a store says of a delivery."""
    return (
        *(line.id, line.job, line.endpoint, line.plugin, line.state, line.number, line.attempts),
        *(line.next_at, line.created_at, line.updated_at),
    )


def of_sent(id: str, sent: Sent) -> tuple[Any, ...]:
    """What the model says of it."""
    return (
        *(id, sent.job, sent.endpoint, sent.asked.plugin, sent.state, sent.number, sent.attempts),
        *(sent.next_at, sent.created_at, sent.updated_at),
    )


def of_end(line: EndLine) -> tuple[Any, ...]:
    """What a store says of an end."""
    return line.id, line.attempt, line.status, line.finished_at, line.body


def of_ended(job: Job) -> tuple[Any, ...]:
    """What the model says of it."""
    return job.asked.id, job.attempt, job.status, job.finished_at, job.body


def of_record(record: Record) -> tuple[Any, ...]:
    """What a store says of a job."""
    return (
        *(record.id, record.endpoint, record.status, record.attempt, record.input, dict(record.sealed)),
        *(record.submitted_at, record.started_at, record.expires_at),
        *(record.crashes, record.failures, record.returns, record.policy, record.wiped),
    )


def of_job(job: Job) -> tuple[Any, ...]:
    """What the model says of it."""
    asked = job.asked
    return (
        *(asked.id, asked.endpoint, job.status, job.attempt, asked.input),
        dict(asked.sealed if job.sealed else EMPTY),
        *(job.submitted_at, job.started_at, job.expires_at),
        *(job.crashes, job.failures, job.returns, asked.policy, bool(asked.sealed) and not job.sealed),
    )


def ids(records: Iterable[Record]) -> list[str]:
    return [record.id for record in records]


def ids_of(jobs: Iterable[Job]) -> list[str]:
    return [job.asked.id for job in jobs]
