"""A real SQLite queue beside its model: makes the same call of both and compares all that can be seen."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, ClassVar, TypeVar

from hypothesis import HealthCheck, settings
from hypothesis.stateful import RuleBasedStateMachine

from queue_model import Job, Model, Run
from workerkit.delivery import Delivery
from workerkit.job import EMPTY, Status
from workerkit.queue import Blame, Claim, End, Record
from workerkit.queue.batch import Batch
from workerkit.queue.file import open_for_writing
from workerkit.queue.sqlite import SQLiteStore
from workerkit.testing import ManualClock

LEASE, KEEP, LENGTH = 30_000, 600_000, 5
#: Seconds that one example may take.
PATIENCE = 60.0
ENDPOINTS = ("render", "caption")
#: A call of the store, and what the model says that it answers.
Call = tuple[Awaitable[Any], Callable[[], Any]]


M = TypeVar("M", bound="Driver")


def fail(batch: Batch) -> None:
    """An operation that takes its whole batch back."""
    raise ZeroDivisionError


def without_sync(batch: Batch) -> None:
    """The disk is not what is tested here."""
    batch.db.execute("COMMIT")
    batch.db.execute("PRAGMA synchronous = OFF")
    batch.db.execute("BEGIN IMMEDIATE")


class Driver(RuleBasedStateMachine):
    """One example: a queue of its own. Subclass it with what is to be tried, and where."""

    loop: ClassVar[asyncio.AbstractEventLoop]
    #: Holds `template.db`, an empty queue.
    folder: ClassVar[Path]
    sql: ClassVar[Mapping[str, str]]
    #: Writes that this machine leaves out.
    without: ClassVar[frozenset[str]] = frozenset()
    examples: ClassVar[int] = 0
    steps: ClassVar[int] = 0

    def __init__(self) -> None:
        super().__init__()
        type(self).examples += 1
        #: Ends a call that is never answered, with an error.
        self.watchdog = self.loop.call_later(PATIENCE, self.loop.stop)
        self.clock = ManualClock()
        self.model = Model(self.clock, lease=LEASE, keep=KEEP, length=LENGTH)
        self.runs: list[Run] = []
        #: Jobs as somebody has seen them: id, status, attempt.
        self.seen: list[tuple[str, Status, int]] = []
        self.waiting: tuple[str, asyncio.Task[list[Claim]]] | None = None
        self.number = 0
        for old in self.folder.glob("queue.db*"):
            old.unlink()
        shutil.copyfile(self.folder / "template.db", self.folder / "queue.db")
        self.open()

    def open(self) -> None:
        """Open the queue, the first time or again."""
        self.store = SQLiteStore(
            self.folder / "queue.db",
            lease_ms=LEASE,
            keep_ms=KEEP,
            queue_length=LENGTH,
            holder="a",
            clock=self.clock,
            sql=self.sql,
        )
        self.do(self.store.open())
        self.do(self.store._do(without_sync))

    def close(self) -> list[Claim]:
        """Close it; whoever waits for a job is sent away. Returns what it was given."""
        self.do(self.store.close())
        given: list[Claim] = self.do(self.waiting[1]) if self.waiting else []
        self.waiting = None
        return given

    def do(self, call: Awaitable[Any]) -> Any:
        """Its answer."""
        return self.loop.run_until_complete(call)

    def check(self, *calls: Call, poisoned: bool = False) -> None:
        """Make calls at once; the store must answer as if they came one after the other."""
        waits = [call for call, _ in calls]
        if poisoned:
            waits.append(self.store._do(fail))
        answers = self.do(_all(waits))
        if poisoned:
            assert isinstance(answers.pop(), ZeroDivisionError)
        assert answers == [expected() for _, expected in calls]

    def claimed(self, claims: Sequence[Claim], endpoint: str, n: int, holder: str) -> None:
        """Compare what was handed out."""
        expected = self.model.claim(endpoint, n, holder)
        assert [of_record(claim.record) for claim in claims] == [of_job(job) for job in expected]
        self.do(_all([claim.committed for claim in claims]))
        self.runs += [(claim.record.id, claim.record.attempt) for claim in claims]

    def is_waited_for(self, endpoint: str) -> bool:
        """Whether the next new job of an endpoint is handed over as it comes."""
        return self.waiting is not None and self.waiting[0] == endpoint

    # Calls that may share a transaction

    def calls(self, several: Iterable[tuple[Any, ...]]) -> list[Call]:
        """Calls by their names and arguments."""
        return [getattr(self, name)(*values) for name, *values in several if name not in self.without]

    def run(self, place: int) -> Run:
        """One that was handed out, the latest first."""
        return self.runs[-1 - place % len(self.runs)] if self.runs else ("nobody", 1)

    def job(self, place: int) -> Job | None:
        """One that is there, the latest first."""
        jobs = list(self.model.jobs.values())
        return jobs[-1 - place % len(jobs)] if jobs else None

    def finish(self, place: int, status: Status, deliveries: list[Delivery]) -> Call:
        id, attempt = self.run(place)
        return self.end((id, Status.IN_PROGRESS, attempt), status, deliveries)

    def end_as_seen(self, place: int, status: Status, deliveries: list[Delivery]) -> Call:
        seen = self.seen[-1 - place % len(self.seen)] if self.seen else ("nobody", Status.IN_QUEUE, 0)
        return self.end(seen, status, deliveries)

    def end(self, seen: tuple[str, Status, int], status: Status, deliveries: Sequence[Delivery] = ()) -> Call:
        id, seen_status, attempt = seen
        end = End(
            id=id,
            seen_status=seen_status,
            seen_attempt=attempt,
            status=status,
            body=f"{id} {status.value} {attempt}".encode(),
            deliveries=deliveries,
        )
        return self.store.finish(end), lambda: self.model.finish(end)

    def release(self, place: int, blame: Blame, after: int) -> Call:
        run = self.run(place)
        return self.store.release(*run, blame, after), lambda: self.model.release(run, blame, after)

    def heartbeat(self, place: int) -> Call:
        runs = self.runs[-1 - place :]
        return self.store.heartbeat(runs), lambda: self.model.heartbeat(runs)

    def chunk(self, place: int, n: int) -> Call:
        run = self.run(place)
        value = f"{run} {n}".encode()
        return self.store.chunk(*run, n, value), lambda: self.model.chunk(run, n, value)

    def progress(self, place: int) -> Call:
        run = self.run(place)
        value = f"{run} {self.clock.time}".encode()
        return self.store.progress(*run, value), lambda: self.model.progress(run, value)

    def keep_log(self, place: int) -> Call:
        id, attempt = self.run(place)
        value = f"{id} {attempt} {self.clock.time}".encode()
        return self.store.keep_log(id, attempt, value), lambda: self.model.keep_log(id, attempt, value)

    def retry(self, place: int) -> Call:
        job = self.job(place)
        id = job.asked.id if job else "nobody"
        return self.store.retry(id), lambda: self.model.retry(id)

    # What can be seen

    def compare(self) -> None:
        """After each step: the line, who waits in it, the counts, every job and every delivery."""
        self.serve()
        self.do(self._compare())

    def serve(self) -> None:
        """Jobs are let through whose delay is over; who waits for a job has it when there is one."""
        self.model.promote()
        if self.waiting is not None:
            endpoint, task = self.waiting
            self.do(self.store.waiting(endpoint, 0))
            if self.model.claimable(endpoint):
                self.waiting = None
                self.claimed(self.do(task), endpoint, 1, "b")
            else:
                assert not task.done()

    async def _compare(self) -> None:
        store, model = self.store, self.model
        lines = await asyncio.gather(*[store.waiting(endpoint, 0) for endpoint in ENDPOINTS])
        for endpoint, since in zip(ENDPOINTS, lines, strict=True):
            assert since == next((job.queued_at for job in model.claimable(endpoint)), None)
            assert await store.counts(endpoint) == model.counts(endpoint)
        jobs = store._reader.jobs(None, None, None, 999)
        assert sorted([line.id for line in jobs]) == sorted(model.jobs)
        deliveries = store._reader.deliveries(None, None, 999)
        assert sorted([line.id for line in deliveries]) == sorted(model.outbox.sent)
        for id, job in model.jobs.items():
            view, record = await store.view(id), await store.record(id)
            assert view is not None
            assert (view.progress, view.body) == (job.progress, job.body)
            assert record is not None
            assert of_record(record) == of_job(job)
            assert await store.logs(id) == sorted(job.logs.items())
        for id, sent in model.outbox.sent.items():
            found = await store.delivery(id)
            assert found is not None
            line, body = found
            assert (line.job, line.state, line.number) == (sent.job, sent.state, sent.number)
            assert (line.attempts, line.next_at, body) == (sent.attempts, sent.next_at, sent.body)


@contextmanager
def laboratory(folder: Path, kind: type[M], sql: Mapping[str, str]) -> Iterator[type[M]]:
    """A machine of this kind for queues in this folder, with these statements."""
    open_for_writing(folder / "template.db").close()
    with closing(asyncio.new_event_loop()) as loop:
        yield type(kind.__name__, (kind,), {"loop": loop, "folder": folder, "sql": sql})
        loop.run_until_complete(loop.shutdown_default_executor())


def at_random(examples: int, *, new: bool = False) -> settings:
    """As many examples of 40 steps, the same ones each time or `new` ones."""
    return settings(
        max_examples=examples,
        stateful_step_count=40,
        derandomize=not new,
        database=None,
        deadline=None,
        report_multiple_bugs=False,
        suppress_health_check=list(HealthCheck),
    )


def of_record(record: Record) -> tuple[Any, ...]:
    """What a store says of a job."""
    return (
        *(record.id, record.endpoint, record.status, record.attempt, record.input, dict(record.sealed)),
        *(record.submitted_at, record.started_at, record.expires_at),
        *(record.crashes, record.failures, record.returns, record.policy),
    )


def of_job(job: Job) -> tuple[Any, ...]:
    """What the model says of it."""
    asked = job.asked
    return (
        *(asked.id, asked.endpoint, job.status, job.attempt, asked.input),
        dict(asked.sealed if job.sealed else EMPTY),
        *(job.submitted_at, job.started_at, job.expires_at),
        *(job.crashes, job.failures, job.returns, asked.policy),
    )


async def _all(calls: Sequence[Awaitable[Any]]) -> list[Any]:
    return await asyncio.gather(*calls, return_exceptions=True)
